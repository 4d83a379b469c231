#include "catch.hpp"
#include "challenge/http_solver.hpp"
#include "challenge/tls_alpn_solver.hpp"
#include "run.hpp"

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

TEST_CASE("tls-alpn-01 has a certificate for a name in progress and for no other") {
    tls_alpn_solver solver{system_clock()};
    const challenge_answer answer{"a.test", "token", "token.thumbprint"};
    test::run_io(solver.present(answer));
    const auto found = solver.find("A.test.");
    REQUIRE(found);
    CHECK(found->names() == std::vector<identifier>{"a.test"});
    CHECK(solver.find("b.test") == nullptr);
    CHECK(solver.find("") == nullptr);
    CHECK(solver.find(std::string(300, 'a')) == nullptr);
    test::run_io(solver.clean_up(answer));
    CHECK(solver.find("a.test") == nullptr);
}

TEST_CASE("tls-alpn-01 for an address is found by its reverse name") {
    tls_alpn_solver solver{system_clock()};
    test::run_io(solver.present({"192.0.2.1", "token", "token.thumbprint"}));
    CHECK(solver.find("1.2.0.192.in-addr.arpa") != nullptr);
}

TEST_CASE("of two orders for one name the later answers, and cleaning up one leaves the other") {
    tls_alpn_solver solver{system_clock()};
    const challenge_answer first{"a.test", "t1", "t1.x"}, second{"a.test", "t2", "t2.x"};
    test::run_io(solver.present(first));
    const auto of_first = solver.find("a.test");
    test::run_io(solver.present(second));
    CHECK(solver.find("a.test") != of_first);
    test::run_io(solver.clean_up(second));
    CHECK(solver.find("a.test") == of_first);
}
