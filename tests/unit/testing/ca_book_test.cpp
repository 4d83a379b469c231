#include "catch.hpp"
#include "orders_fixture.hpp"

using namespace evercert;
using namespace test;
using namespace std::chrono_literals;
using evercert::testing::ca_book;
using evercert::testing::moment;

namespace {

struct years {
    explicit years(evercert::testing::acme_server_options wanted = {}) : options{std::move(wanted)} {}

    /// An order that is proved and finalized.
    std::size_t obtain(const std::string& name) {
        auto& order = book.add_order(account, {identifier{name}}, now);
        for (const auto id : order.authorizations)
            for (const auto each : std::vector{book.find_authorization(id, now)->challenges}) {
                book.answer(*book.find_challenge(each, now), now);
                book.validated(each, {}, now);
            }
        const auto number = std::to_string(++issued);
        book.add_certificate(
            order,
            {.id = 0,
             .account = account.id,
             .names = {identifier{name}},
             .serial = "serial of the certificate " + number,
             .der = {1, 2, 3},
             .chain_pem = "chain",
             .alternate_pem = {},
             .renewal_id = "renewal id of the certificate " + number,
             .window = {now.wall, now.wall},
             .not_after = now.wall + 6 * 24h},
            now);
        return order.id;
    }
    void advance(duration by) {
        now.wall += by;
        now.steady += by;
    }

    evercert::testing::acme_server_options options;
    ca_book book{options};
    moment now{start, steady_time{5h}};
    evercert::testing::account_record& account = book.add_account(public_key{private_key::generate()}, {});
    int issued = 0;
};

}  // namespace

TEST_CASE("the CA's memory does not grow with the years") {
    years f;
    std::size_t largest = 0;
    for (int day = 0; day < 3650; ++day) {
        for (const auto* name : {"a.test", "b.test", "c.test"})
            f.obtain(name);
        if (f.book.is_prune_due())
            f.book.prune(f.now);
        largest = std::max(largest, f.book.size());
        f.advance(24h);
    }
    CHECK(f.book.certificates().added() == 3 * 3650);
    CHECK(largest < 3000);
    CHECK(f.account.orders.size() < 1000);
}

TEST_CASE("what has expired is remembered for a week") {
    years f;
    const auto order = f.obtain("a.test");
    f.advance(6 * 24h + ca_book::remembered_for - 1s);
    f.book.prune(f.now);
    CHECK(f.book.find_order(order, f.now) != nullptr);
    CHECK(f.book.find_serial("serial of the certificate 1") != nullptr);
    CHECK(f.book.is_certified({"a.test"}));
    f.advance(1s);
    f.book.prune(f.now);
    CHECK(f.book.find_serial("serial of the certificate 1") == nullptr);
    CHECK(f.book.find_renewal("renewal id of the certificate 1") == nullptr);
    CHECK_FALSE(f.book.is_certified({"a.test"}));
    CHECK(f.book.find_order(order, f.now) != nullptr);
    f.advance(24h);
    f.book.prune(f.now);
    CHECK(f.book.find_order(order, f.now) == nullptr);
    f.advance(30 * 24h);
    f.book.prune(f.now);
    CHECK(f.book.size() == 0);
    // Numbers go on.
    CHECK(f.obtain("a.test") == order + 1);
}

TEST_CASE("an order outlives the authorization that it used again") {
    years f{{.reuse_authorizations = true}};
    f.obtain("a.test");
    f.advance(ca_book::valid_for - 1s);
    auto& order = f.book.add_order(f.account, {"a.test"}, f.now);
    const auto id = order.id;
    REQUIRE(order.status == acme::order_status::ready);
    f.advance(ca_book::remembered_for + 1s);
    f.book.prune(f.now);
    REQUIRE(f.book.find_order(id, f.now) != nullptr);
    CHECK(f.book.find_order(id, f.now)->status == acme::order_status::invalid);
}
