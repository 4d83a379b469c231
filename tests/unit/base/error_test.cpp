#include <asio/error.hpp>

#include <evercert/error.hpp>

#include "catch.hpp"

using namespace evercert;

TEST_CASE("an error carries the code, the text and what the CA said") {
    problem from_ca;
    from_ca.type = "urn:ietf:params:acme:error:rateLimited";
    from_ca.detail = "too many";
    const error e{errc::acme_problem, "new order: refused", from_ca, std::chrono::seconds{90}};
    CHECK(e.code() == errc::acme_problem);
    CHECK(std::string{e.what()} == "new order: refused");
    REQUIRE(e.problem());
    CHECK(e.problem()->is("rateLimited"));
    CHECK_FALSE(e.problem()->is("rateLimite"));
    CHECK(e.retry_after() == std::chrono::seconds{90});
    const error copy = e;
    CHECK(copy.problem() == e.problem());
}

TEST_CASE("a problem type outside the ACME name space is no ACME error") {
    problem p;
    p.type = "about:blank";
    CHECK_FALSE(p.is("blank"));
    p.type = "urn:ietf:params:acme:error:";
    CHECK(p.is(""));
}

TEST_CASE("what may pass by itself is retryable, what somebody must change is not") {
    CHECK(is_retryable(errc::connect_failed));
    CHECK(is_retryable(errc::timed_out));
    CHECK_FALSE(is_retryable(errc::invalid_identifier));
    CHECK_FALSE(is_retryable(errc::name_not_allowed));
    CHECK_FALSE(is_retryable(asio::error::operation_aborted));
    CHECK(is_retryable(asio::error::connection_reset));

    problem p;
    p.type = "urn:ietf:params:acme:error:rejectedIdentifier";
    p.status = 403;
    CHECK_FALSE(is_retryable(error{errc::acme_problem, "refused", p}));
    p.status = 503;
    CHECK(is_retryable(error{errc::acme_problem, "down", p}));
}

TEST_CASE("text from outside is shown in quotes, on one line, and cut") {
    CHECK(quoted("a\r\nb\x1b[31m\"c\"\\") == R"("a\x0d\x0ab\x1b[31m\"c\"\\")");
    CHECK(quoted("\xc3\xa9") == R"("\xc3\xa9")");
    CHECK(quoted("abcdef", 3) == "\"abc\"…");
    CHECK(quoted("") == "\"\"");
}

TEST_CASE("every code has a text of its own") {
    std::vector<std::string> texts;
    for (int value = static_cast<int>(errc::invalid_identifier); value <= static_cast<int>(errc::clock_doubted);
         ++value)
        texts.push_back(category().message(value));
    for (std::size_t i = 0; i < texts.size(); ++i) {
        CHECK(texts[i] != "unknown error");
        for (std::size_t j = 0; j < i; ++j)
            CHECK(texts[i] != texts[j]);
    }
}
