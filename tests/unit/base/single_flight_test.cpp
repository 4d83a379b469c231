#include <memory>
#include <string>
#include <vector>

#include "base/single_flight.hpp"
#include "catch.hpp"
#include "run.hpp"

using namespace evercert;

namespace {

struct fixture {
    asio::io_context io;
    task_group group{io.get_executor()};
    single_flight<std::string, int> flights{io.get_executor(), group, {3, 4, 1}};
    event open{io.get_executor()};
    bool is_open = false;
    int started = 0;

    asio::awaitable<int> work(int value) {
        ++started;
        while (!is_open)
            co_await open.wait();
        if (value < 0)
            throw error{errc::acme_problem, "refused"};
        co_return value;
    }
    asio::awaitable<int> ask(std::string key, int value) {
        auto start = [this, value] { return work(value); };
        co_return co_await flights.run(std::move(key), start);
    }
    auto ask_beside(std::string key, int value) {
        auto asked = std::make_unique<test::started<int>>(io.get_executor(), ask(std::move(key), value));
        settle();
        return asked;
    }
    void settle() {
        io.restart();
        io.poll();
    }
    void let_go() {
        is_open = true;
        open.notify_all();
        settle();
    }
};

errc code_of(test::started<int>& asked) {
    try {
        asked.take();
    } catch (const error& e) {
        return static_cast<errc>(e.code().value());
    }
    return {};
}

}  // namespace

TEST_CASE("all who ask for the same key share one piece of work and its value") {
    fixture f;
    auto a = f.ask_beside("x", 1);
    auto b = f.ask_beside("x", 2);
    auto other = f.ask_beside("y", 3);
    CHECK(f.started == 2);
    f.let_go();
    CHECK(a->take() == 1);
    CHECK(b->take() == 1);
    CHECK(other->take() == 3);
    CHECK(f.flights.size() == 0);
}

TEST_CASE("errors are shared too, and the next asker starts anew") {
    fixture f;
    auto a = f.ask_beside("x", -1);
    auto b = f.ask_beside("x", -1);
    f.let_go();
    CHECK(code_of(*a) == errc::acme_problem);
    CHECK(code_of(*b) == errc::acme_problem);
    auto c = f.ask_beside("x", 5);
    CHECK(c->take() == 5);
    CHECK(f.started == 2);
}

TEST_CASE("a waiter that leaves does not stop the work, nor do all of them") {
    fixture f;
    auto a = f.ask_beside("x", 7);
    auto b = f.ask_beside("x", 7);
    a->cancel();
    b->cancel();
    f.settle();
    CHECK(a->ended());
    CHECK(b->ended());
    auto c = f.ask_beside("x", 8);
    f.let_go();
    CHECK(c->take() == 7);
    CHECK(f.started == 1);
}

TEST_CASE("waiters are bounded, for a key and in all") {
    fixture f;
    auto a = f.ask_beside("x", 1);
    auto b = f.ask_beside("x", 1);
    auto c = f.ask_beside("x", 1);
    auto fourth = f.ask_beside("x", 1);
    CHECK(code_of(*fourth) == errc::too_many_waiters);
    auto d = f.ask_beside("y", 2);
    auto fifth = f.ask_beside("z", 3);
    CHECK(code_of(*fifth) == errc::too_many_waiters);
    f.let_go();
    CHECK(c->take() == 1);
    CHECK(d->take() == 2);
}

TEST_CASE("flights that everybody has left take room until they land, and reserved room is beside") {
    fixture f;
    for (int i = 0; i < 4; ++i) {
        auto leaves = f.ask_beside(std::to_string(i), i);
        leaves->cancel();
        f.settle();
        REQUIRE(leaves->ended());
    }
    auto refused = f.ask_beside("one more", 1);
    CHECK(code_of(*refused) == errc::too_many_waiters);
    CHECK(f.started == 4);
    auto start = [&f] { return f.work(7); };
    test::started<int> reserved{f.io.get_executor(), f.flights.run("one more", start, flight_room::reserved)};
    f.settle();
    CHECK(f.started == 5);
    f.let_go();
    CHECK(reserved.take() == 7);
    auto after = f.ask_beside("after", 3);
    CHECK(after->take() == 3);
}

TEST_CASE("a group that is cancelled ends its flights with an error for every waiter") {
    fixture f;
    auto a = f.ask_beside("x", 1);
    f.group.cancel();
    f.settle();
    REQUIRE(a->ended());
    CHECK_THROWS_AS(a->take(), std::system_error);
    CHECK(f.group.size() == 0);
}

TEST_CASE("an io_context that ends with waiters inside leaks nothing") {
    auto f = std::make_unique<fixture>();
    auto a = f->ask_beside("x", 1);
    CHECK(f->started == 1);
    CHECK_FALSE(a->ended());
    a.reset();
    f.reset();  // the leak check is the sanitizer's
}
