#include <algorithm>

#include <evercert/error.hpp>

#include "catch.hpp"
#include "store/document.hpp"

using namespace evercert;

namespace {

std::string refusal(std::string_view text, errc expected = errc::state_damaged) {
    try {
        read_document(text);
    } catch (const error& e) {
        CHECK(e.code() == expected);
        return e.what();
    }
    FAIL("accepted: " << text);
    return {};
}

}  // namespace

TEST_CASE("a document comes back as it was written, one item a line") {
    state_items items;
    items["hosts"] = {{"any", true}};
    items["certificates/a.test"] = {{"chain", "line 1\nline 2\n"}, {"draw", 0.25}};
    const auto text = write_document(items);
    CHECK(std::count(text.begin(), text.end(), '\n') == 4);
    CHECK(read_document(text) == items);
    CHECK(read_document(write_document({})).empty());
}

TEST_CASE("an empty document is an empty state") {
    CHECK(read_document("").empty());
    CHECK(read_document(" \n").empty());
}

TEST_CASE("a damaged document is refused with the place and the reason") {
    CHECK(refusal("garbage").find("line 1 is not JSON") != std::string::npos);
    CHECK(refusal("{\"evercert\": 1,\n\"items\": {\n\"hosts\": }").find("line 3") != std::string::npos);
    CHECK(refusal("[]").find("evercert") != std::string::npos);
    CHECK(refusal("{}").find("evercert") != std::string::npos);
    CHECK(refusal("{\"evercert\": \"1\"}").find("evercert") != std::string::npos);
    CHECK(refusal("{\"evercert\": 1}").find("items") != std::string::npos);
    CHECK(refusal("{\"evercert\": 1, \"items\": []}").find("items") != std::string::npos);
    CHECK(refusal("{\"evercert\": 1, \"items\": {\"a\": 1}}").find("\"a\"") != std::string::npos);
    CHECK(refusal("{\"evercert\": 1, \"items\": {}} {}").find("more after its end") != std::string::npos);
    CHECK(refusal("{\"evercert\": 0, \"items\": {}}").find("no version 0") != std::string::npos);
    CHECK(
        refusal("{\"Email\": \"\", \"Reg\": null, \"Certs\": {}}").find("read its text with unmarshal()") !=
        std::string::npos);
    CHECK(refusal(std::string(100'000, '[')).find("not JSON") != std::string::npos);
    CHECK(
        refusal("{\"evercert\": 1, \"items\": {\"a\": {\"b\": [{\"c\": -1e999}]}}}")
            .find("\"a\" has a number that is too large") != std::string::npos);
}

TEST_CASE("a truncated document is refused wherever it was cut") {
    state_items items;
    items["hosts"] = {{"any", true}};
    const auto text = write_document(items);
    const auto end = text.find_last_of('}');
    for (std::size_t size = 1; size <= end; ++size)
        refusal(text.substr(0, size));
}

TEST_CASE("a document of a later version is refused as such") {
    CHECK(refusal("{\"evercert\": 2, \"items\": {}}", errc::state_version).find("later evercert") != std::string::npos);
}
