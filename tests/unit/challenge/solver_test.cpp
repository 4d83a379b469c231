#include "catch.hpp"
#include "challenge/http_solver.hpp"
#include "challenge/tls_alpn_solver.hpp"
#include "run.hpp"
#include "simulated_time.hpp"

using namespace evercert;

TEST_CASE("http-01 answers a token in progress and nothing else") {
    http_solver solver;
    const challenge_answer answer{"a.test", "token-1", "token-1.thumbprint"};
    test::run_io(solver.present(answer));
    CHECK(solver.answer("/.well-known/acme-challenge/token-1") == "token-1.thumbprint");
    CHECK_FALSE(solver.answer("/.well-known/acme-challenge/token-2"));
    CHECK_FALSE(solver.answer("/.well-known/acme-challenge/"));
    CHECK_FALSE(solver.answer("/token-1"));
    test::run_io(solver.clean_up(answer));
    CHECK_FALSE(solver.answer("/.well-known/acme-challenge/token-1"));
}

TEST_CASE("http-01 answers as long as one of the orders that a CA gave the same challenge is in progress") {
    http_solver solver;
    const challenge_answer answer{"a.test", "token-1", "token-1.thumbprint"};
    test::run_io(solver.present(answer));
    test::run_io(solver.present(answer));
    test::run_io(solver.clean_up(answer));
    CHECK(solver.answer("/.well-known/acme-challenge/token-1") == "token-1.thumbprint");
    test::run_io(solver.clean_up(answer));
    CHECK_FALSE(solver.answer("/.well-known/acme-challenge/token-1"));
}

namespace {

struct tls_alpn_setting {
    asio::io_context io;
    test::simulated_time time{io};
    tls_alpn_solver solver{io.get_executor(), time.make_clock()};
};

}  // namespace

TEST_CASE_METHOD(tls_alpn_setting, "tls-alpn-01 has a certificate for a name in progress and for no other") {
    const challenge_answer answer{"a.test", "token", "token.thumbprint"};
    time.run(solver.present(answer));
    const auto found = solver.find("A.test.");
    REQUIRE(found);
    CHECK(found->names() == std::vector<identifier>{"a.test"});
    CHECK(solver.find("b.test") == nullptr);
    CHECK(solver.find("") == nullptr);
    CHECK(solver.find(std::string(300, 'a')) == nullptr);
    time.run(solver.clean_up(answer));
    CHECK(solver.find("a.test") == nullptr);
}

TEST_CASE_METHOD(tls_alpn_setting, "tls-alpn-01 for an address is found by its reverse name") {
    time.run(solver.present({"192.0.2.1", "token", "token.thumbprint"}));
    CHECK(solver.find("1.2.0.192.in-addr.arpa") != nullptr);
}

TEST_CASE_METHOD(tls_alpn_setting, "of two orders for one name the second answers when the first is cleaned up") {
    const challenge_answer first{"a.test", "t1", "t1.x"}, second{"a.test", "t2", "t2.x"}, other{"b.test", "t3", "t3.x"};
    time.run(solver.present(first));
    const auto of_first = solver.find("a.test");
    test::started<void> presented{io.get_executor(), solver.present(second)};
    time.run(solver.present(other));
    time.pass(tls_alpn_solver::turn_wait / 2);
    CHECK_FALSE(presented.ended());
    CHECK(solver.find("a.test") == of_first);
    time.run(solver.clean_up(first));
    time.run(presented.join());
    CHECK(time.elapsed() == tls_alpn_solver::turn_wait / 2);
    CHECK(solver.find("a.test") != nullptr);
    CHECK(solver.find("a.test") != of_first);
    time.run(solver.clean_up(second));
    CHECK(solver.find("a.test") == nullptr);
}

TEST_CASE_METHOD(tls_alpn_setting, "of three orders for one name each has its turn") {
    const challenge_answer first{"a.test", "t1", "t1.x"}, second{"a.test", "t2", "t2.x"}, third{"a.test", "t3", "t3.x"};
    time.run(solver.present(first));
    test::started<void> of_second{io.get_executor(), solver.present(second)};
    test::started<void> of_third{io.get_executor(), solver.present(third)};
    time.pass(duration{1});
    time.run(solver.clean_up(first));
    time.pass(duration{1});
    REQUIRE(of_second.ended());
    CHECK_FALSE(of_third.ended());
    time.run(solver.clean_up(second));
    time.pass(duration{1});
    CHECK(of_third.ended());
    CHECK(time.elapsed() < tls_alpn_solver::turn_wait);
}

TEST_CASE_METHOD(tls_alpn_setting, "two orders that a CA gave the same challenge answer both") {
    const challenge_answer both{"a.test", "t1", "t1.x"};
    time.run(solver.present(both));
    time.run(solver.present(both));
    CHECK(time.elapsed() == duration{});
    time.run(solver.clean_up(both));
    CHECK(solver.find("a.test") != nullptr);
}

TEST_CASE_METHOD(tls_alpn_setting, "an order waits for another one's validation for a while, and then answers itself") {
    const challenge_answer first{"a.test", "t1", "t1.x"}, second{"a.test", "t2", "t2.x"};
    time.run(solver.present(first));
    const auto of_first = solver.find("a.test");
    time.run(solver.present(second));
    CHECK(time.elapsed() == tls_alpn_solver::turn_wait);
    CHECK(solver.find("a.test") != of_first);
    time.run(solver.clean_up(second));
    CHECK(solver.find("a.test") == of_first);
}

TEST_CASE_METHOD(
    tls_alpn_setting, "an order that is cancelled while it waits for another one's validation leaves nothing") {
    const challenge_answer first{"a.test", "t1", "t1.x"}, second{"a.test", "t2", "t2.x"};
    time.run(solver.present(first));
    test::started<void> presented{io.get_executor(), solver.present(second)};
    time.pass(duration{1});
    presented.cancel();
    CHECK_THROWS_AS(time.run(presented.join()), std::system_error);
    time.run(solver.clean_up(second));
    CHECK(solver.find("a.test") != nullptr);
    time.run(solver.clean_up(first));
    CHECK(solver.find("a.test") == nullptr);
}

TEST_CASE_METHOD(
    tls_alpn_setting,
    "an order that is cancelled while it waits leaves the other order with the same challenge its answer") {
    const challenge_answer both{"a.test", "t1", "t1.x"}, between{"a.test", "t2", "t2.x"};
    time.run(solver.present(both));
    time.run(solver.present(between));  // it waited as long as it does
    test::started<void> presented{io.get_executor(), solver.present(both)};
    time.pass(duration{1});
    CHECK_FALSE(presented.ended());
    presented.cancel();
    CHECK_THROWS_AS(time.run(presented.join()), std::system_error);
    time.run(solver.clean_up(both));
    time.run(solver.clean_up(between));
    CHECK(solver.find("a.test") != nullptr);
    time.run(solver.clean_up(both));
    CHECK(solver.find("a.test") == nullptr);
}
