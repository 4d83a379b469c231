#include <cstdint>
#include <limits>
#include <set>

#include <boost/json/array.hpp>

#include <evercert/error.hpp>

#include "catch.hpp"
#include "certificates.hpp"
#include "manager/state.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

const std::string directory = "https://ca.test/directory";
const wall_time now = std::chrono::floor<std::chrono::milliseconds>(system_clock()->wall());

state::bounds strict() {
    state::bounds bounds;
    bounds.limits = lets_encrypt_limits();
    return bounds;
}

state_items filled() {
    test::authority ca;
    state all{directory, strict()};
    all.set_account({directory, "ops@a.test", "https://ca.test/account/1", private_key::generate()});
    all.set_hosts({false, {"a.test"}, true});
    limits_record limits;
    limits.orders_full = wall_time{1h};
    limits.new_hosts_full = wall_time{2h};
    limits.latest_orders = {wall_time{30min}};
    limits.written = now;
    all.set_limits(limits);
    certificate_record record{{"a.test"}, std::make_shared<const held_certificate>(ca.issue({"a.test"})), 0.5};
    record.obtained = now;
    record.directory_url = directory;
    record.renewal_id = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";
    record.window = suggested_window{now + 1h, now + 2h};
    record.poll_at = now + 6h;
    all.set_certificate(certificate_key({"a.test"}), record);
    all.set_pending("orders/a.test", {directory, "https://ca.test/order/1", private_key::generate(), now});
    all.with_failures([](failure_book& book) {
        failure refused;
        refused.kind = failure_class::dns;
        refused.code = errc::authorization_invalid;
        refused.text = "no A record";
        return book.remember("certificates/b.test", refused, now, 0.5);
    });
    all.with_ledger([](ledger& book) { book.ordered({"a.test"}, {}, now); });
    return all.items();
}

std::string refusal(const state_items& items) {
    state all{directory};
    all.set_hosts({false, {"kept.test"}, true});
    try {
        all.replace(items, now);
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
    state all{directory, strict()};
    all.replace(items, now);
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
    CHECK(record->certificate->get()->covers("a.test"));
    CHECK(record->obtained == now);
    CHECK(record->window->end == now + 2h);
    CHECK(record->poll_at == now + 6h);
    CHECK(all.limits().latest_orders == std::vector<wall_time>{wall_time{30min}});
    REQUIRE(all.pending("orders/a.test"));
    CHECK(all.pending("orders/a.test")->url == "https://ca.test/order/1");
    all.with_failures([](const failure_book& book) {
        REQUIRE(book.find("certificates/b.test", now));
        CHECK(book.find("certificates/b.test", now)->kind == failure_class::dns);
    });
    CHECK(all.newest().second == "certificates/a.test");
}

TEST_CASE("every member that is missing or of another type is named") {
    // What an earlier version did not have, and what somebody who puts a certificate there does not know.
    const std::set<std::string> optional{
        "draw",       "not_before_ms",   "obtained_ms",   "directory",        "renewal_id",
        "poll_at_ms", "window_start_ms", "polls_full_ms", "latest_orders_ms", "written_ms"};
    const auto items = filled();
    for (const auto& [key, value] : items) {
        if (key.starts_with("failures/") || key.starts_with("ledger/"))
            continue;  // maps: below
        for (const auto& member : value) {
            const bool needed = !key.starts_with("certificates/") && key != limits_key;
            if (needed || !optional.contains(std::string{member.key()})) {
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

TEST_CASE("a damaged entry of the failures or of the ledger is refused by its item") {
    for (const auto& [key, value] : filled()) {
        if (!key.starts_with("failures/") && !key.starts_with("ledger/"))
            continue;
        for (const auto& member : value) {
            auto other = filled();
            other[key][member.key()] = "nonsense";
            CHECK_THAT(refusal(other), Catch::Contains(key));
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

TEST_CASE("a time that no clock can show is brought into those that can") {
    auto items = filled();
    items["limits"]["orders_full_ms"] = std::numeric_limits<std::int64_t>::max();
    items["limits"]["new_hosts_full_ms"] = std::numeric_limits<std::int64_t>::min();
    state all{directory};
    all.replace(items, now);
    CHECK(all.limits().orders_full > now + std::chrono::days{365 * 200});
    CHECK(all.limits().new_hosts_full < now - std::chrono::days{365 * 200});
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
    state all{directory, strict()};
    all.replace(items, now);
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
