#include <random>

#include "catch.hpp"
#include "ledgers.hpp"

using namespace evercert;
using namespace test;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using std::chrono::days;

TEST_CASE("a CA without limits never refuses, and nothing is kept of it") {
    ledger book{ca_limits{}, enough};
    CHECK(order_all(book, same, newcomer, t0) == 10'000);
    for (int i = 0; i < 100; ++i)
        book.failed({"a.test"}, t0);
    CHECK(book.can_issue({"a.test"}, newcomer, t0).now);
    CHECK(book.can_register(t0).now);
    CHECK(book.size() == 0);
    CHECK(book.take_changed().none());
}

TEST_CASE("each limit lets its count through and then one an interval") {
    struct row {
        ca_limit ca_limits::* which;
        std::vector<identifier> (*names)(int);
        int count;
        duration interval;
        std::string_view because;
    };
    const std::vector<row> table{
        {&ca_limits::orders, domain, 300, 36s, "300 orders in 3 h are used up (the CA's limit orders)"},
        {&ca_limits::certificates_per_domain, host, 50, duration{week} / 50,
         "50 certificates for example.com in 7 d are used up (the CA's limit certificates_per_domain)"},
        {&ca_limits::certificates_per_name_set, same, 5, duration{week} / 5,
         "5 certificates for exactly a.example.com, b.example.com in 7 d are used up (the CA's limit "
         "certificates_per_name_set)"},
    };
    for (const auto& row : table) {
        INFO(row.because);
        ledger book{only(row.which), enough};
        CHECK(order_all(book, row.names, newcomer, t0) == row.count);
        const auto refused = book.can_issue(row.names(row.count), newcomer, t0);
        CHECK_FALSE(refused.now);
        CHECK(refused.not_before == t0 + row.interval);
        CHECK(refused.because == row.because);
        CHECK_FALSE(book.can_issue(row.names(row.count), newcomer, refused.not_before - 1ns).now);
        CHECK(book.can_issue(row.names(row.count), newcomer, refused.not_before).now);
        CHECK(order_all(book, row.names, newcomer, refused.not_before) == 1);
        CHECK(order_all(book, row.names, newcomer, t0 + 100 * week) == row.count);
    }
}

TEST_CASE("failed validations of a name close it for the CA's time, the wildcard's with it") {
    ledger book{only(&ca_limits::failed_authorizations), enough};
    for (int i = 0; i < 5; ++i) {
        CHECK(book.can_issue({"a.test"}, newcomer, t0).now);
        book.failed({i % 2 ? "a.test" : "*.a.test"}, t0);
    }
    const auto refused = book.can_issue({"b.test", "a.test"}, newcomer, t0);
    CHECK_FALSE(refused.now);
    CHECK(refused.not_before == t0 + 12min);
    CHECK(
        refused.because == "5 failed validations of a.test in 1 h are used up (the CA's limit failed_authorizations)");
    CHECK_FALSE(book.can_issue({"*.a.test"}, renewal, t0).now);
    CHECK(book.can_issue({"b.test"}, newcomer, t0).now);
    CHECK(book.totals().failed == 5);
}

TEST_CASE("a validation that may fail counts until it did not, and what failed meanwhile stays") {
    ledger book{only(&ca_limits::failed_authorizations), enough};
    for (int i = 0; i < 4; ++i)
        book.failed({"a.test"}, t0);
    book.may_fail({"a.test", "b.test"}, t0);
    CHECK_FALSE(book.can_issue({"a.test"}, newcomer, t0).now);
    CHECK(book.totals().failed == 4);
    book.not_failed({"a.test", "b.test"}, t0 + 1s);
    CHECK(book.can_issue({"a.test"}, newcomer, t0 + 1s).now);
    book.failed({"a.test"}, t0 + 1s);
    CHECK_FALSE(book.can_issue({"a.test"}, newcomer, t0 + 1s).now);
    CHECK(book.size() == 1);
    // Whoever reads it after a crash finds it counted.
    book.may_fail({"c.test"}, t0 + 2s);
    ledger next{only(&ca_limits::failed_authorizations), enough};
    for (int shard = 0; shard < ledger::shards; ++shard)
        next.read(shard, book.to_json(shard), t0 + 2s);
    CHECK(next.size() == 2);
}

TEST_CASE("new accounts have a limit of their own") {
    ledger book{only(&ca_limits::accounts), enough};
    for (int i = 0; i < 10; ++i) {
        CHECK(book.can_register(t0).now);
        book.account_created(t0);
    }
    const auto refused = book.can_register(t0);
    CHECK_FALSE(refused.now);
    CHECK(refused.not_before == t0 + 18min);
    CHECK(refused.because == "10 new accounts in 3 h are used up (the CA's limit accounts)");
    CHECK(book.can_issue({"a.test"}, newcomer, t0).now);
}

TEST_CASE("the latest of all limits decides, and is named") {
    auto limits = lets_encrypt_limits();
    limits.renewal_reserve_percent = 0;
    ledger book{limits, enough};
    for (int i = 0; i < 5; ++i)
        book.failed({"a.example.com"}, t0);
    CHECK(book.can_issue(same(0), newcomer, t0).not_before == t0 + 12min);
    CHECK(order_all(book, host, newcomer, t0) == 50);
    const auto refused = book.can_issue(same(0), newcomer, t0);
    CHECK(refused.not_before == t0 + duration{week} / 50);
    CHECK_THAT(refused.because, ContainsSubstring("certificates_per_domain"));
}

TEST_CASE("a certificate counts once for each registered domain in it") {
    ledger book{only(&ca_limits::certificates_per_domain), enough};
    const auto both = [](int i) {
        const auto n = std::to_string(i);
        return std::vector<identifier>{"a" + n + ".one.test", "b" + n + ".one.test", "a" + n + ".two.co.uk"};
    };
    CHECK(order_all(book, both, newcomer, t0) == 50);
    CHECK_FALSE(book.can_issue({"x.one.test"}, newcomer, t0).now);
    CHECK_FALSE(book.can_issue({"x.two.co.uk"}, newcomer, t0).now);
    CHECK(book.can_issue({"x.three.co.uk"}, newcomer, t0).now);
}

TEST_CASE("sets of names are the same in any order, and others with one name more or less") {
    ledger book{only(&ca_limits::certificates_per_name_set), enough};
    CHECK(order_all(book, same, newcomer, t0) == 5);
    CHECK_FALSE(book.can_issue({"b.example.com", "a.example.com"}, newcomer, t0).now);
    CHECK(book.can_issue({"a.example.com"}, newcomer, t0).now);
    CHECK(book.can_issue({"a.example.com", "b.example.com", "c.example.com"}, newcomer, t0).now);

    std::vector<identifier> many;
    for (int i = 0; i < 100; ++i)
        many.emplace_back("a-rather-long-name-" + std::to_string(i) + ".example.com");
    const auto all_of_them = [&](int) { return many; };
    CHECK(order_all(book, all_of_them, newcomer, t0) == 5);
    CHECK_THAT(book.can_issue(many, newcomer, t0).because, ContainsSubstring("exactly the same 100 names"));
    many.pop_back();
    CHECK(book.can_issue(many, newcomer, t0).now);
}

TEST_CASE("names that were never issued for leave a share to renewals") {
    ledger book{only(&ca_limits::orders, 20), enough};
    CHECK(order_all(book, domain, newcomer, t0) == 240);
    const auto refused = book.can_issue({"new.test"}, newcomer, t0);
    CHECK(
        refused.because ==
        "300 orders in 3 h are used up but for 60 that are kept for renewals (the CA's limit orders)");
    CHECK(refused.not_before == t0 + 36s);
    CHECK(order_all(book, domain, renewal, t0) == 60);
    CHECK(book.can_issue({"new.test"}, newcomer, t0).not_before == t0 + 61 * 36s);

    ledger per_domain{only(&ca_limits::certificates_per_domain, 20), enough};
    CHECK(order_all(per_domain, host, newcomer, t0) == 40);
    CHECK(order_all(per_domain, host, renewal, t0) == 10);

    for (const int percent : {-5, 0, 90, 100, 1000}) {
        ledger odd{only(&ca_limits::orders, percent), enough};
        CHECK(order_all(odd, domain, newcomer, t0) == (percent <= 0 ? 300 : 30));
    }
    ca_limits one;
    one.orders = {1, 1h};
    CHECK(order_all(*std::make_unique<ledger>(one, enough), domain, newcomer, t0) == 1);
}

TEST_CASE("Let's Encrypt's limits hold for orders as its documentation and its code say, for each kind of order") {
    struct row {
        std::string_view used_up;
        bool newcomer, elsewhere, repeated, replacement;  ///< may be ordered all the same
    };
    // "elsewhere": a renewal of ours, but the certificate before was another CA's or had other names.
    const std::vector<row> table{
        {"orders", false, false, true, true},
        {"certificates_per_domain", false, false, true, true},
        {"certificates_per_name_set", false, false, false, true},
        {"failed_authorizations", false, false, false, true},
    };
    for (const auto& row : table) {
        INFO(row.used_up);
        auto limits = lets_encrypt_limits();
        limits.renewal_reserve_percent = 0;
        ledger book{limits, enough};
        if (row.used_up == "orders")
            for (int i = 0; i < 300; ++i)
                book.ordered(domain(i), newcomer, t0);
        if (row.used_up == "certificates_per_domain")
            for (int i = 0; i < 50; ++i)
                book.ordered(host(i), newcomer, t0);
        if (row.used_up == "certificates_per_name_set")
            for (int i = 0; i < 5; ++i)
                book.ordered(same(i), repeated, t0);
        if (row.used_up == "failed_authorizations")
            for (int i = 0; i < 5; ++i)
                book.failed({"a.example.com"}, t0);
        const auto check = [&](order_kind kind, bool expected) {
            const auto answer = book.can_issue(same(0), kind, t0);
            CHECK(answer.now == expected);
            CHECK((expected || answer.because.find(row.used_up) != std::string::npos));
        };
        check(newcomer, row.newcomer);
        check(renewal, row.elsewhere);
        check(repeated, row.repeated);
        check(replacement, row.replacement);
    }
}

TEST_CASE("renewals of the same names leave orders and certificates of the domain to others, and pay for their set") {
    auto limits = lets_encrypt_limits();
    limits.renewal_reserve_percent = 0;
    ledger book{limits, enough};
    CHECK(order_all(book, same, repeated, t0) == 5);
    book.not_issued(same(0), repeated, t0);
    CHECK(order_all(book, same, repeated, t0) == 1);
    CHECK(order_all(book, host, newcomer, t0) == 50);
    CHECK(order_all(book, domain, newcomer, t0) == 250);
    limits.renewals_exempt = false;
    ledger strict{limits, enough};
    CHECK(order_all(strict, same, repeated, t0) == 5);
    CHECK(order_all(strict, host, newcomer, t0) == 45);
}

TEST_CASE("a certificate that replaced another one counts for its names' set, without more debt than there is") {
    ledger book{lets_encrypt_limits(), enough};
    for (int i = 0; i < 20; ++i) {
        book.ordered(same(0), replacement, t0);
        book.issued(same(0), replacement, t0);
    }
    CHECK(book.can_issue(same(0), replacement, t0).now);
    const auto refused = book.can_issue(same(0), repeated, t0);
    CHECK_FALSE(refused.now);
    CHECK(refused.not_before == t0 + duration{week} / 5);
}

TEST_CASE("a certificate is counted when the CA issued it, which is later than when it was ordered") {
    const auto kind = GENERATE(newcomer, repeated);
    // Or may have issued it, when nobody looks for it any longer.
    const auto found = GENERATE(&ledger::issued, &ledger::may_be_issued);
    ledger book{lets_encrypt_limits(), enough};
    for (int i = 0; i < 5; ++i) {
        book.ordered(same(0), kind, t0 + 1min * i);
        (book.*found)(same(0), kind, t0 + 1min * i + 10s);
    }
    const auto refused = book.can_issue(same(0), kind, t0 + 10min);
    CHECK_FALSE(refused.now);
    CHECK(refused.not_before == t0 + 10s + duration{week} / 5);
}

TEST_CASE("an order that says what it replaces is let through if the CA exempts it") {
    ledger book{lets_encrypt_limits(), enough};
    CHECK(order_all(book, same, replacement, t0) == 10'000);
    CHECK(book.size() == 0);
    book.not_issued(same(0), replacement, t0);
    CHECK(book.size() == 0);
    CHECK(book.totals().ordered == 10'000);
    auto limits = lets_encrypt_limits();
    limits.replacements_exempt = false;
    ledger strict{limits, enough};
    CHECK(order_all(strict, same, replacement, t0) == 5);
}

TEST_CASE("orders that are in progress count as certificates, and give them back if there is none") {
    auto limits = lets_encrypt_limits();
    limits.renewal_reserve_percent = 0;
    ledger book{limits, enough};
    CHECK(order_all(book, host, newcomer, t0) == 50);
    CHECK_FALSE(book.can_issue(host(50), newcomer, t0).now);
    book.issued(host(0), newcomer, t0 + 1s);
    CHECK_FALSE(book.can_issue(host(50), newcomer, t0 + 1s).now);
    book.not_issued(host(1), newcomer, t0 + 1s);
    CHECK(book.can_issue(host(50), newcomer, t0 + 1s).now);
    CHECK(book.can_issue(host(1), newcomer, t0 + 1s).now);
    CHECK(book.totals().ordered == 50);
    CHECK(book.totals().issued == 1);
}

TEST_CASE("an order that failed stays paid as an order and as a failed validation") {
    auto limits = lets_encrypt_limits();
    limits.renewal_reserve_percent = 0;
    ledger book{limits, enough};
    int tried = 0;
    for (; book.can_issue({"a.test"}, newcomer, t0).now; ++tried) {
        book.ordered({"a.test"}, newcomer, t0);
        book.failed({"a.test"}, t0);
        book.not_issued({"a.test"}, newcomer, t0);
    }
    CHECK(tried == 5);
    for (; book.can_issue(domain(tried), newcomer, t0).now; ++tried) {
        book.ordered(domain(tried), newcomer, t0);
        book.not_issued(domain(tried), newcomer, t0);
    }
    CHECK(tried == 300);
    CHECK_THAT(book.can_issue({"b.test"}, newcomer, t0).because, ContainsSubstring("limit orders"));
}

TEST_CASE("what was given back is never more than there was") {
    ledger book{only(&ca_limits::certificates_per_name_set), enough};
    for (int i = 0; i < 100; ++i)
        book.not_issued(same(0), newcomer, t0);
    CHECK(order_all(book, same, newcomer, t0) == 5);
    book.ordered(same(0), newcomer, t0);
    CHECK(book.size() == 1);
    book.not_issued(same(0), newcomer, t0 + 100 * week);
    CHECK(order_all(book, same, newcomer, t0 + 100 * week) == 5);
}

TEST_CASE("buckets that are full again are not kept") {
    ledger book{lets_encrypt_limits(), enough};
    for (int i = 0; i < 20; ++i)
        book.ordered(domain(i), newcomer, t0);
    CHECK(book.size() == 41);
    book.ordered(same(0), newcomer, t0 + 2 * week);
    CHECK(book.size() == 3);
    book.not_issued(same(0), newcomer, t0 + 2 * week);
    CHECK(book.size() == 1);
    CHECK(book.can_register(t0 + 10 * week).now);
    CHECK(book.size() == 0);
}

TEST_CASE("whatever is ordered when allowed, no span of a limit's window has more than twice its count") {
    std::mt19937 random{7};
    ca_limits limits;
    limits.orders = {10, 1h};
    limits.renewal_reserve_percent = 20;
    ledger book{limits, enough};
    std::vector<wall_time> orders;
    auto now = t0;
    for (int i = 0; i < 3000; ++i) {
        now += std::chrono::seconds{random() % 200};
        const auto kind = random() % 2 ? newcomer : renewal;
        const auto verdict = book.can_issue({"a.test"}, kind, now);
        if (verdict.now) {
            book.ordered({"a.test"}, kind, now);
            orders.push_back(now);
        } else {
            CHECK(verdict.not_before > now);
            CHECK_FALSE(verdict.because.empty());
        }
    }
    std::size_t most = 0;
    for (std::size_t first = 0, last = 0; last < orders.size(); ++last) {
        while (orders[last] - orders[first] >= 1h)
            ++first;
        most = std::max(most, last - first + 1);
    }
    CHECK(most > 10);
    CHECK(most < 20);
}

TEST_CASE("orders and failed validations are an account's own, certificates of a domain are everybody's") {
    ledger book{lets_encrypt_limits(), enough};
    book.set_account("one");
    CHECK(order_all(book, domain, newcomer, t0) == 240);
    for (int i = 0; i < 5; ++i)
        book.failed({"bad.test"}, t0);
    CHECK_FALSE(book.can_issue({"bad.test"}, renewal, t0).now);
    book.set_account("two");
    CHECK(book.can_issue({"bad.test"}, newcomer, t0).now);
    CHECK(order_all(book, host, newcomer, t0) == 40);
    book.set_account("one");
    CHECK_FALSE(book.can_issue({"bad.test"}, renewal, t0).now);
    const auto refused = book.can_issue({"new.test"}, newcomer, t0);
    CHECK_THAT(refused.because, ContainsSubstring("limit orders"));
    const auto of_domain = book.can_issue(host(100), renewal, t0);
    CHECK(of_domain.now);
    // Both accounts' are saved.
    ledger copy{lets_encrypt_limits(), enough};
    CHECK(read_all(copy, shards_of(book), t0) == 0);
    copy.set_account("one");
    CHECK_FALSE(copy.can_issue({"new.test"}, newcomer, t0).now);
    copy.set_account("two");
    CHECK(copy.can_issue({"new.test"}, newcomer, t0).now);
    CHECK_THAT(copy.can_issue(host(100), newcomer, t0).because, ContainsSubstring("example.com"));
}
