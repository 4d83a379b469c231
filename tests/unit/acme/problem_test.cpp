#include "acme/problem.hpp"
#include "catch.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

const wall_time now{std::chrono::seconds{784111777}};  // Sun, 06 Nov 1994 08:49:37 GMT

response answer(int status, std::string body, std::string_view retry_after = "") {
    response result{status, std::move(body)};
    if (!retry_after.empty())
        result.fields.set("Retry-After", retry_after);
    return result;
}

error error_of(const response& from_ca) { return acme::to_error("newOrder", "https://ca.test/order", from_ca, now); }

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a problem document is read whatever the content type says") {
    auto from_ca = answer(403, R"({"type": "urn:ietf:params:acme:error:unauthorized", "detail": "no",
        "status": 200, "instance": "https://ca.test/why",
        "subproblems": [{"type": "urn:ietf:params:acme:error:caa", "detail": "kept out",
                         "identifier": {"type": "dns", "value": "a.test"}}, 7, {"identifier": []}]})");
    from_ca.fields.set("Content-Type", "text/html");
    auto thrown = error_of(from_ca);
    CHECK(thrown.code() == errc::acme_problem);
    REQUIRE(thrown.problem());
    CHECK(thrown.problem()->is("unauthorized"));
    CHECK(thrown.problem()->status == 403);
    CHECK(thrown.problem()->instance == "https://ca.test/why");
    REQUIRE(thrown.problem()->subproblems.size() == 2);
    CHECK(thrown.problem()->subproblems[0].identifier == "a.test");
    std::string text = thrown.what();
    CHECK(contains(text, "ca.test refused newOrder with HTTP 403, unauthorized: \"no\""));
    CHECK(contains(text, "\"a.test\": caa: \"kept out\""));
}

TEST_CASE("a rate limit becomes rate_limited with its wait, in seconds or as a date") {
    auto body = R"({"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many"})";
    auto thrown = error_of(answer(429, body, "3600"));
    CHECK(thrown.code() == errc::rate_limited);
    CHECK(thrown.retry_after() == 3600s);
    CHECK(contains(thrown.what(), "3600 s"));
    CHECK(error_of(answer(503, body, "Sun, 06 Nov 1994 09:49:37 GMT")).retry_after() == 3600s);
    CHECK_FALSE(error_of(answer(429, body)).retry_after());
    CHECK_FALSE(error_of(answer(429, body, "soon")).retry_after());
    CHECK(error_of(answer(429, body, "99999999999999999999")).retry_after() == std::chrono::days{31});
    CHECK(error_of(answer(429, "<html>slow down</html>", "5")).code() == errc::rate_limited);
}

TEST_CASE("ACME errors become ours where a program must tell them apart") {
    auto of_type = [](std::string type) {
        return error_of(answer(400, R"({"type": "urn:ietf:params:acme:error:)" + type + R"(", "detail": "x"})"));
    };
    CHECK(of_type("accountDoesNotExist").code() == errc::account_does_not_exist);
    CHECK(of_type("rateLimited").code() == errc::rate_limited);
    CHECK(of_type("userActionRequired").code() == errc::acme_problem);
    CHECK(contains(of_type("userActionRequired").what(), "terms of service"));
    CHECK(contains(of_type("caa").what(), "CAA record"));
    CHECK(contains(of_type("somethingNew").what(), "somethingNew"));
}

TEST_CASE("an answer that is no problem document becomes an error with its status and beginning") {
    for (std::string body : {"<html>\n<h1>502</h1>", "", "{}", "[1]", "{\"type\": 5}", "{\"type\": \"half"}) {
        auto thrown = error_of(answer(502, body));
        CHECK(thrown.code() == errc::http_status);
        CHECK(is_retryable(thrown));
        CHECK(contains(thrown.what(), "HTTP 502 and without a problem document"));
    }
    CHECK(contains(error_of(answer(502, "<html>\n<h1>502</h1>")).what(), "\"<html>\\x0a<h1>502</h1>\""));
    CHECK(error_of(answer(503, "busy", "120")).retry_after() == 120s);
}

TEST_CASE("a hostile problem document stays bounded and printable") {
    std::string many;
    for (int i = 0; i < 500; ++i)
        many += std::string{many.empty() ? "" : ","} + R"({"type": "x", "detail": "y"})";
    auto thrown = error_of(answer(
        400,
        R"({"type": "urn:ietf:params:acme:error:\u001b[31mred", "status": -1, "title": [], "detail": ")" +
            std::string(10'000, 'x') + R"(", "subproblems": [)" + many + "]}"));
    REQUIRE(thrown.problem());
    CHECK(thrown.problem()->detail.size() == 4096);
    CHECK(thrown.problem()->subproblems.size() == 100);
    std::string text = thrown.what();
    CHECK(text.size() < 3000);
    CHECK(contains(text, "; and 95 more"));
    CHECK(text.find('\x1b') == std::string::npos);
}

TEST_CASE("a long text is cut between characters") {
    auto parsed = acme::parse_problem(R"({"type": "x", "title": "a)" + [] {
        std::string umlauts;
        for (int i = 0; i < 200; ++i)
            umlauts += "\xc3\xa4";
        return umlauts;
    }() + "\"}");
    REQUIRE(parsed);
    CHECK(parsed->title.size() == 255);
}

TEST_CASE("a problem with neither detail nor type is described by what it has") {
    auto parsed = acme::parse_problem(R"({"type": "about:blank", "title": "Forbidden"})");
    REQUIRE(parsed);
    CHECK(acme::describe(*parsed) == "\"about:blank\": \"Forbidden\"");
}
