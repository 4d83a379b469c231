#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "catch.hpp"
#include "domain_table.hpp"

using on_demand::domain_table;
using outcome = domain_table::outcome;

namespace {

class file_of_its_own {
public:
    file_of_its_own() {
        char name[] = "/tmp/domain_table.XXXXXX";
        folder_ = ::mkdtemp(name);
        path = folder_ / "domains";
    }
    ~file_of_its_own() { std::filesystem::remove_all(folder_); }
    on_demand::domain_table_options options() const { return {path.string(), 2}; }
    void write(const std::string& text) const { std::ofstream{path} << text; }

    std::filesystem::path path;

private:
    std::filesystem::path folder_;
};

}  // namespace

TEST_CASE("a domain is whose first claimed it, until it is given up") {
    file_of_its_own at;
    domain_table table{at.options()};
    CHECK(table.owner_of("shop.test").empty());
    CHECK(table.add("Shop.test", "ann") == outcome::added);
    CHECK(table.add("shop.test", "ann") == outcome::present);
    CHECK(table.add("shop.test", "bob") == outcome::taken);
    CHECK(table.owner_of("shop.test") == "ann");
    CHECK_FALSE(table.remove("shop.test", "bob"));
    CHECK(table.remove("shop.test", "ann"));
    CHECK_FALSE(table.remove("shop.test", "ann"));
    CHECK(table.add("shop.test", "bob") == outcome::added);
}

TEST_CASE("a customer has so many domains and no more, and others are not counted") {
    file_of_its_own at;
    domain_table table{at.options()};
    CHECK(table.add("a.test", "ann") == outcome::added);
    CHECK(table.add("b.test", "ann") == outcome::added);
    CHECK(table.add("c.test", "ann") == outcome::full);
    CHECK(table.add("a.test", "ann") == outcome::present);
    CHECK(table.add("c.test", "bob") == outcome::added);
    CHECK(table.remove("a.test", "ann"));
    CHECK(table.add("d.test", "ann") == outcome::added);
    CHECK(table.domains_of("ann") == std::vector<evercert::identifier>{"b.test", "d.test"});
}

TEST_CASE("wildcards and addresses are no domains of a customer") {
    file_of_its_own at;
    domain_table table{at.options()};
    CHECK(table.add("*.a.test", "ann") == outcome::not_a_domain);
    CHECK(table.add("192.0.2.1", "ann") == outcome::not_a_domain);
}

TEST_CASE("the table is in its file after each change, and a file that is wrong is refused by line") {
    file_of_its_own at;
    {
        domain_table table{at.options()};
        table.add("a.test", "ann");
        table.add("b.test", "bob");
        table.remove("a.test", "ann");
    }
    const domain_table again{at.options()};
    CHECK(again.owner_of("a.test").empty());
    CHECK(again.owner_of("b.test") == "bob");
    for (const std::string wrong :
         {"a.test ann\nb.test\n", "a.test ann\n-- bob\n", "a.test ann\na.test bob\n", "a.test ann\nb.test bob x\n"}) {
        at.write(wrong);
        CHECK_THROWS_WITH(domain_table{at.options()}, Catch::Matchers::ContainsSubstring("line 2"));
    }
}

TEST_CASE("a table that cannot be written stays as it was") {
    domain_table table{{"/no/such/folder/domains", 2}};
    CHECK_THROWS_WITH(table.add("a.test", "ann"), Catch::Matchers::ContainsSubstring("/no/such/folder/domains"));
    CHECK(table.owner_of("a.test").empty());
}
