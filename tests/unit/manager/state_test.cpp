#include <boost/json/array.hpp>

#include <evercert/error.hpp>

#include "catch.hpp"
#include "certificates.hpp"
#include "manager/state.hpp"

using namespace evercert;

namespace {

const std::string directory = "https://ca.test/directory";

state_items filled() {
    test::authority ca;
    state all{directory};
    all.set_account({directory, "ops@a.test", "https://ca.test/account/1", private_key::generate()});
    all.set_hosts({false, {"a.test"}, true});
    all.set_limits({wall_time{std::chrono::hours{1}}, wall_time{std::chrono::hours{2}}});
    all.set_certificate(certificate_key({"a.test"}), {{"a.test"}, ca.issue({"a.test"}), 0.5});
    return all.items();
}

std::string refusal(const state_items& items) {
    state all{directory};
    all.set_hosts({false, {"kept.test"}, true});
    try {
        all.replace(items);
    } catch (const error& e) {
        CHECK(e.code() == errc::state_damaged);
        CHECK(all.admits("kept.test"));  // nothing was changed
        CHECK_FALSE(all.account());
        return e.what();
    }
    FAIL("accepted");
    return {};
}

}  // namespace

TEST_CASE("the whole state goes through its items and comes back") {
    const auto items = filled();
    state all{directory};
    all.replace(items);
    CHECK(all.items() == items);
    for (const auto& [key, value] : items)
        CHECK(all.item(key) == value);
    CHECK_FALSE(all.item("other"));
    REQUIRE(all.account());
    CHECK(all.account()->email == "ops@a.test");
    CHECK(all.admits("a.test"));
    CHECK_FALSE(all.admits("b.test"));
    CHECK(all.limits().new_hosts_full == wall_time{std::chrono::hours{2}});
    const auto record = all.certificate("certificates/a.test");
    REQUIRE(record);
    CHECK(record->draw == 0.5);
    CHECK(record->certificate->covers("a.test"));
}

TEST_CASE("every member that is missing or of another type is named") {
    const auto items = filled();
    for (const auto& [key, value] : items) {
        for (const auto& member : value) {
            if (member.key() != "draw") {
                auto without = items;
                without[key].erase(member.key());
                const auto missing = refusal(without);
                CHECK(missing.find(key) != std::string::npos);
                CHECK(missing.find(std::string{member.key()}) != std::string::npos);
            }
            auto other = items;
            other[key][member.key()] = nullptr;
            CHECK(refusal(other).find(std::string{member.key()}) != std::string::npos);
        }
    }
}

TEST_CASE("a certificate that comes without a draw has one from its chain, the same at each reading") {
    auto value = filled().at("certificates/a.test");
    value.erase("draw");
    const auto draw = read_certificate(value).draw;
    CHECK((draw > 0 && draw < 1));
    CHECK(read_certificate(value).draw == draw);
    CHECK(read_certificate(filled().at("certificates/a.test")).draw == 0.5);
}

TEST_CASE("a key that is not the certificate's is refused") {
    auto items = filled();
    items["certificates/a.test"]["key"] = private_key::generate().to_pem();
    refusal(items);
}

TEST_CASE("a certificate for other names than its record says is refused") {
    auto items = filled();
    items["certificates/a.test"]["names"] = boost::json::array{"b.test"};
    CHECK(refusal(items).find("b.test") != std::string::npos);
}

TEST_CASE("what belongs to another CA, or to a later evercert, is kept") {
    auto items = filled();
    items["accounts/other.test"] = {{"anything", 1}};
    items["ledger"] = {{"anything", 2}};
    state all{directory};
    all.replace(items);
    CHECK(all.items() == items);
}

TEST_CASE("certificates of one name and of several have keys of their own") {
    CHECK(certificate_key({"a.test"}) == "certificates/a.test");
    const auto both = certificate_key({"a.test", "b.test"});
    CHECK(both.starts_with("certificates/a.test:"));
    CHECK(certificate_key({"a.test", "c.test"}) != both);
    CHECK(account_key("https://ca.test/dir") == "accounts/ca.test");
    CHECK(account_key("https://ca.test:14000/dir") == "accounts/ca.test:14000");
    CHECK_THROWS_AS(account_key("http://ca.test/dir"), error);
    CHECK_THROWS_AS(account_key("nonsense"), error);
}
