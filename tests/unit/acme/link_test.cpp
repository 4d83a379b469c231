#include "acme/link.hpp"
#include "catch.hpp"

using namespace evercert;

namespace {

std::vector<std::string> alternates(std::vector<std::string_view> fields, std::size_t count_max = 16) {
    return acme::find_links(fields, "alternate", count_max);
}

using list = std::vector<std::string>;

}  // namespace

TEST_CASE("alternate links are found in one field or many") {
    CHECK(alternates({"<https://ca.test/1>;rel=\"alternate\""}) == list{"https://ca.test/1"});
    CHECK(
        alternates(
            {"<https://ca.test/dir>;rel=\"index\"", "<https://ca.test/1>; rel=alternate",
             "<https://ca.test/2>;rel=\"alternate\""}) == list{"https://ca.test/1", "https://ca.test/2"});
    CHECK(
        alternates({"<https://ca.test/1>;rel=\"up\", <https://ca.test/2>;title=\"a, b; c\";rel=\"up Alternate\" ,"
                    "<https://ca.test/3>;rel=alternate"}) == list{"https://ca.test/2", "https://ca.test/3"});
    CHECK(alternates({"<https://ca.test/1,2;3>;rel=\"alternate\""}) == list{"https://ca.test/1,2;3"});
}

TEST_CASE("what is not an https link, or for another relation, is skipped") {
    for (std::string_view field :
         {"", "<", ">", "<>", "<>;rel=alternate", "<https://ca.test/1>", "<https://ca.test/1>;rel=\"alternates\"",
          "<http://ca.test/1>;rel=\"alternate\"", "</1>;rel=\"alternate\"", "<file:///x>;rel=alternate",
          "<https://ca.test/1;rel=\"alternate\"", "<https://ca.test/1>;title=\"rel=alternate",
          "https://ca.test/1;rel=alternate", "<https://ca.test/1>;rel=\"", "<https://ca.test/1>;title=\"\\"}) {
        INFO(field);
        CHECK(alternates({field}).empty());
    }
}

TEST_CASE("no more links are taken than the bound") {
    std::vector<std::string_view> many(100, "<https://ca.test/1>;rel=\"alternate\"");
    CHECK(alternates(many, 16).size() == 16);
    CHECK(alternates(many, 0).empty());
}
