#include <algorithm>
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
    record.window = suggested_window{now + 1h, now + 2h};
    record.poll_at = now + 6h;
    all.set_certificate(certificate_key({"a.test"}), record);
    all.set_pending("orders/a.test", {directory, "https://ca.test/order/1", private_key::generate(), now, true});
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
    CHECK(all.pending("orders/a.test")->replaces);
    all.with_failures([](const failure_book& book) {
        REQUIRE(book.find("certificates/b.test", now));
        CHECK(book.find("certificates/b.test", now)->kind == failure_class::dns);
    });
    CHECK(all.newest().second == "certificates/a.test");
}

TEST_CASE("every member that is missing or of another type is named") {
    // What an earlier version did not have, and what somebody who puts a certificate there does not know.
    const std::set<std::string> optional{"draw",       "not_before_ms",   "obtained_ms",   "directory",
                                         "poll_at_ms", "window_start_ms", "polls_full_ms", "latest_orders_ms",
                                         "written_ms", "replaces"};
    const auto items = filled();
    for (const auto& [key, value] : items) {
        if (key.starts_with("failures/") || key.starts_with("ledger/"))
            continue;  // maps: below
        for (const auto& member : value) {
            const bool needed =
                !key.starts_with("certificates/") && key != limits_key(directory) && member.key() != "replaces";
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
            CHECK_THAT(refusal(other), Catch::Matchers::ContainsSubstring(key));
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
    items[limits_key(directory)]["orders_full_ms"] = std::numeric_limits<std::int64_t>::max();
    items[limits_key(directory)]["new_hosts_full_ms"] = std::numeric_limits<std::int64_t>::min();
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

TEST_CASE("a state that is read in 1970 or in 2050 keeps its failures for as long as when it was written") {
    const auto items = filled();
    const wall_time wrong = GENERATE(wall_time{24h}, wall_time{std::chrono::sys_days{std::chrono::year{2050} / 1 / 1}});
    state all{directory, strict()};
    all.replace(items, wrong);
    CHECK(all.items() == items);
    // Who believes that it is 2050 has nothing of it.
    state later{directory, strict()};
    later.believe({std::chrono::sys_days{std::chrono::year{2050} / 1 / 1}, {}}, true);
    later.replace(items, std::chrono::sys_days{std::chrono::year{2050} / 1 / 1});
    CHECK(later.with_failures([](const failure_book& book) { return book.size(); }) == 0);
}

TEST_CASE("what no CA's key has of failures, ledger and limits is left out, and another CA's is kept") {
    const auto items = filled();
    auto with_others = items;
    const auto elsewhere = "https://ca.test/staging";  // the same host
    with_others[failures_key(elsewhere, 4)] = {{"anything", 1}};
    with_others[ledger_key(elsewhere, 2)] = {{"anything", 2}};
    with_others[limits_key(elsewhere)] = {{"anything", 3}};
    auto with_old = with_others;
    with_old["failures/4"] = {{"certificates/b.test", 1}};
    with_old["ledger/2"] = {{"orders", 1}};
    with_old["limits"] = {{"written_ms", 1}};
    state all{directory, strict()};
    all.replace(with_old, now);
    CHECK(all.items() == with_others);
    CHECK(all.limits().written == now);
}

TEST_CASE("the keys of failures, ledger and limits say which CA and which of its directories") {
    const auto segment = [](const std::string& url) { return limits_key(url).substr(std::string{"limits/"}.size()); };
    CHECK(segment(directory).starts_with("ca.test:"));
    CHECK(segment(directory).size() == std::string{"ca.test:"}.size() + 8);
    CHECK(segment("https://ca.test:14000/dir").starts_with("ca.test:14000:"));
    CHECK(segment("https://ca.test/staging") != segment(directory));
    CHECK(failures_key(directory, 10) == "failures/" + segment(directory) + "/a");
    CHECK(ledger_key(directory, 15) == "ledger/" + segment(directory) + "/f");
    state all{directory};
    const auto keys = all.memory_keys();
    CHECK(keys.size() == 1 + failure_book::shards + ledger::shards);
    CHECK(keys.front() == limits_key(directory));  // it says when the others were written
}

TEST_CASE("a state that is read with another account has none of the failures of the first") {
    auto items = filled();
    CHECK(std::any_of(items.begin(), items.end(), [](const auto& one) { return one.first.starts_with("failures/"); }));
    items[account_key(directory)]["key"] = private_key::generate().to_pem();
    state all{directory, strict()};
    all.replace(items, now);
    CHECK(all.with_failures([](const failure_book& book) { return book.size(); }) == 0);
    for (const auto& [key, value] : all.items())
        CHECK_FALSE(key.starts_with("failures/"));
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

TEST_CASE("the certificates that have a name are found by it, alone or among others, and not after they are gone") {
    test::authority ca;
    const std::vector<identifier> both{"a.test", "b.test"};
    const auto alone = certificate_key({"a.test"}), rsa = certificate_key({"a.test"}, key_kind::rsa);
    const auto set = certificate_key(both);
    const auto record = [&](const std::vector<identifier>& names) {
        return certificate_record{names, std::make_shared<const held_certificate>(ca.issue(names)), 0.5};
    };
    using keys = std::set<std::string>;
    state all{directory};
    CHECK(all.certificates_with("a.test").empty());
    all.set_certificate(alone, record({"a.test"}));
    all.set_certificate(set, record(both));
    all.set_certificate(certificate_key({"c.test"}), record({"c.test"}));
    CHECK(all.certificates_with("a.test") == keys{alone, set});
    CHECK(all.certificates_with("b.test") == keys{set});
    all.set_certificate(set, record(both));
    CHECK(all.certificates_with("b.test") == keys{set});
    all.replace(all.items(), now);
    CHECK(all.certificates_with("b.test") == keys{set});
    all.set_certificate(rsa, record({"a.test"}));
    CHECK(all.certificates_with("a.test") == keys{alone, rsa, set});
    // Under the same key a record that was asked for with other names.
    all.set_certificate(set, record({"a.test", "d.test"}));
    CHECK(all.certificates_with("b.test").empty());
    CHECK(all.certificates_with("d.test") == keys{set});
    all.forget_certificate(set);
    CHECK(all.certificates_with("d.test").empty());
    CHECK(all.certificates_with("a.test") == keys{alone, rsa});
}

TEST_CASE("a certificate's key is found by what is held, and not after another one has its place") {
    test::authority ca;
    const auto issue = [&ca] { return std::make_shared<const held_certificate>(ca.issue({"a.test"})); };
    const auto key = certificate_key({"a.test"});
    const auto first = issue(), second = issue();
    state all{directory};
    all.set_certificate(key, {{"a.test"}, first, 0.5});
    CHECK(all.key_of(first) == key);
    all.set_certificate(key, {{"a.test"}, second, 0.5});
    CHECK_FALSE(all.key_of(first));
    CHECK(all.key_of(second) == key);
    // The one before, taken back; then one that stands in two places until the first is gone.
    all.set_certificate(key, {{"a.test"}, first, 0.5});
    CHECK(all.key_of(first) == key);
    CHECK_FALSE(all.key_of(second));
    all.set_certificate("certificates/other", {{"a.test"}, first, 0.5});
    all.forget_certificate(key);
    CHECK(all.key_of(first) == "certificates/other");
    all.replace(all.items(), now);
    CHECK_FALSE(all.key_of(first));
    CHECK(all.key_of(all.certificate("certificates/other")->certificate) == "certificates/other");
}
