#include <evercert/ticket_keys.hpp>

#include "resumption_setting.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using clients = test::returning_clients;

namespace {

ticket_key make_key(std::uint8_t number, wall_time until) {
    ticket_key key;
    key.name.fill(number);
    key.encryption.fill(static_cast<std::uint8_t>(number + 1));
    key.authentication.fill(static_cast<std::uint8_t>(number + 2));
    key.until = until;
    return key;
}

ticket_keys keys_of(std::initializer_list<ticket_key> all) { return all; }

/// Servers whose keys a test sets.
struct fleet {
    std::shared_ptr<shared_ticket_keys> keys = std::make_shared<shared_ticket_keys>();
    clients all{GENERATE(TLS1_2_VERSION, TLS1_3_VERSION), with(keys)};
    wall_time now = all.time->now;

    static tls_server_options with(std::shared_ptr<ticket_key_source> keys) {
        tls_server_options options;
        options.ticket_keys = std::move(keys);
        return options;
    }
    clients::visit visit(SSL_SESSION* offered = nullptr, const tls_server_context* at = nullptr) {
        return test::run_io(all.connect("a.test", offered, at));
    }
};

}  // namespace

TEST_CASE("servers that share their keys resume each other's sessions, those that do not do not") {
    fleet one;
    one.keys->set(keys_of({make_key(1, one.now + 24h)}));
    const tls_server_context same{clients::at(fleet::with(one.keys), one.all.time)};
    const tls_server_context foreign{clients::at({}, one.all.time)};
    const auto first = one.visit();
    CHECK(one.visit(first.session.get(), &same).resumed);
    CHECK_FALSE(one.visit(first.session.get(), &foreign).resumed);
}

TEST_CASE("a ticket under an older key resumes, and its client gets one under the newest") {
    fleet one;
    const auto older = make_key(1, one.now + 24h), newer = make_key(9, one.now + 48h);
    one.keys->set(keys_of({older}));
    const auto first = one.visit();
    one.keys->set(keys_of({newer, older}));
    const auto second = one.visit(first.session.get());
    CHECK(second.resumed);
    one.keys->set(keys_of({newer}));
    CHECK(one.visit(second.session.get()).resumed);
    CHECK_FALSE(one.visit(first.session.get()).resumed);
}

TEST_CASE("no session is resumed when its key's permission has ended, and no ticket says that it lives longer") {
    fleet one;
    one.keys->set(keys_of({make_key(1, one.now + 1h)}));
    one.all.time->now += 10min;
    const auto first = one.visit();
    CHECK(SSL_SESSION_get_ticket_lifetime_hint(first.session.get()) == 50 * 60);
    one.all.time->now = one.now + 1h - 1s;
    CHECK(one.visit(first.session.get()).resumed);
    one.all.time->now = one.now + 1h;
    CHECK_FALSE(one.visit(first.session.get()).resumed);
}

TEST_CASE("a ticket says that it lives for a day at most, however long its key does") {
    fleet one;
    one.keys->set(keys_of({make_key(1, one.now + 48h)}));
    CHECK(SSL_SESSION_get_ticket_lifetime_hint(one.visit().session.get()) == 24 * 60 * 60);
}

TEST_CASE("without keys every handshake is a full one") {
    fleet one;
    const auto first = one.visit();
    CHECK_FALSE(SSL_SESSION_has_ticket(first.session.get()));
    CHECK_FALSE(one.visit(first.session.get()).resumed);
}

TEST_CASE("a server without resumption gives no tickets") {
    tls_server_options options;
    options.resumption = false;
    clients all{GENERATE(TLS1_2_VERSION, TLS1_3_VERSION), options};
    const auto first = test::run_io(all.connect("a.test", nullptr));
    CHECK_FALSE(SSL_SESSION_has_ticket(first.session.get()));
    CHECK_FALSE(test::run_io(all.connect("a.test", first.session.get())).resumed);
}

TEST_CASE("a client that always comes back is resumed each time, beyond the life of the first key") {
    clients all{GENERATE(TLS1_2_VERSION, TLS1_3_VERSION)};
    auto last = test::run_io(all.connect("a.test", nullptr));
    for (int hours = 0; hours < 100; hours += 10) {
        all.time->now += 10h;
        auto next = test::run_io(all.connect("a.test", last.session.get()));
        CHECK(next.resumed);
        last = std::move(next);
    }
    all.time->now += 48h;
    CHECK_FALSE(test::run_io(all.connect("a.test", last.session.get())).resumed);
}

TEST_CASE("keys are rotated, kept as long as told, and never beyond their permission") {
    const auto time = std::make_shared<test::still_clock>();
    rotating_ticket_keys_options options;
    options.clock = time;
    rotating_ticket_keys rotating{options};
    const auto first = rotating.current();
    REQUIRE(first->size() == 1);
    CHECK(first->front().until == time->now + 48h);
    time->now += 12h - 1s;
    CHECK(rotating.current() == first);
    time->now += 1s;
    const auto second = rotating.current();
    REQUIRE(second->size() == 2);
    CHECK(second->back().name == first->front().name);
    CHECK(second->front().encryption != first->front().encryption);
    for (int i = 0; i < 4; ++i) {
        time->now += 12h;
        CHECK(rotating.current()->size() <= 4);
    }
    for (const auto& each : *rotating.current())
        CHECK(each.until > time->now);
    CHECK(rotating.current()->back().name != first->front().name);
    time->now += 100h;
    CHECK(rotating.current()->size() == 1);
}

TEST_CASE("a clock that is stepped back ends keys that would be there for too long") {
    const auto time = std::make_shared<test::still_clock>();
    rotating_ticket_keys_options options;
    options.clock = time;
    rotating_ticket_keys rotating{options};
    const auto before = rotating.current()->front();
    time->now -= 24h * 365;
    const auto now = rotating.current();
    CHECK(now->size() == 1);
    CHECK(now->front().name != before.name);
    CHECK(now->front().until == time->now + 48h);
}

TEST_CASE("ticket keys that cannot be are refused") {
    const auto made = [](std::chrono::seconds rotation, std::size_t kept) {
        rotating_ticket_keys_options options;
        options.rotation = rotation;
        options.kept = kept;
        rotating_ticket_keys{options};
    };
    CHECK_NOTHROW(made(24h, 7));
    CHECK_THROWS_AS(made(0s, 4), error);
    CHECK_THROWS_AS(made(12h, 0), error);
    CHECK_THROWS_AS(made(24h, 8), error);
    CHECK_THROWS_AS(made(1s, 1'000'000'000'000), error);
    shared_ticket_keys shared;
    CHECK_THROWS_AS(shared.set(keys_of({make_key(1, {}), make_key(1, {})})), error);
}
