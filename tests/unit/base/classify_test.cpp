#include <new>
#include <stdexcept>

#include <asio/error.hpp>

#include "base/error_name.hpp"
#include "base/failure.hpp"
#include "catch.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

const std::string urn = "urn:ietf:params:acme:error:";

problem make_problem(std::string type, int status = 403, std::vector<std::string> subproblems = {}) {
    problem said;
    said.type = urn + type;
    said.status = status;
    for (auto& one : subproblems)
        said.subproblems.push_back({urn + one, "because", "a.test"});
    return said;
}

template <typename Thrown>
failure_class class_if(Thrown thrown) {
    return classify(std::make_exception_ptr(std::move(thrown)));
}

failure_class class_if_ca_says(errc code, problem said) { return class_if(error{code, "text", std::move(said)}); }

}  // namespace

TEST_CASE("the class of an error without a problem document follows from its code") {
    const std::vector<std::pair<errc, failure_class>> table{
        {errc::invalid_identifier, failure_class::name_refused},
        {errc::name_not_allowed, failure_class::name_refused},
        {errc::authorization_invalid, failure_class::connection},
        {errc::rate_limited, failure_class::rate_limited},
        {errc::timed_out, failure_class::server},
        {errc::acme_malformed, failure_class::server},
        {errc::order_invalid, failure_class::server},
        {errc::resolve_failed, failure_class::server},
        {errc::connect_failed, failure_class::server},
        {errc::connection_closed, failure_class::server},
        {errc::tls_failed, failure_class::server},
        {errc::peer_untrusted, failure_class::server},
        {errc::http_malformed, failure_class::server},
        {errc::http_status, failure_class::server},
        {errc::body_too_large, failure_class::server},
        {errc::key_mismatch, failure_class::server},
        {errc::chain_incomplete, failure_class::server},
        {errc::invalid_options, failure_class::our_mistake},
        {errc::challenge_unsupported, failure_class::our_mistake},
        {errc::terms_not_agreed, failure_class::our_mistake},
        {errc::account_does_not_exist, failure_class::our_mistake},
        {errc::store_failed, failure_class::local},
        {errc::lock_lost, failure_class::local},
        {errc::clock_doubted, failure_class::local},
        {errc::state_damaged, failure_class::local},
        {errc::too_many_waiters, failure_class::local},
        {errc::stopped, failure_class::cancelled},
    };
    for (const auto& [code, expected] : table) {
        INFO(make_error_code(code).message());
        CHECK(class_if(error{code, "text"}) == expected);
    }
}

TEST_CASE("the class of a CA's problem follows from its type") {
    const std::vector<std::pair<std::string, failure_class>> table{
        {"rejectedIdentifier", failure_class::name_refused},
        {"unsupportedIdentifier", failure_class::name_refused},
        {"caa", failure_class::caa},
        {"dns", failure_class::dns},
        {"connection", failure_class::connection},
        {"tls", failure_class::connection},
        {"incorrectResponse", failure_class::connection},
        {"rateLimited", failure_class::rate_limited},
        {"serverInternal", failure_class::server},
        {"badNonce", failure_class::server},
        {"orderNotReady", failure_class::server},
        {"alreadyReplaced", failure_class::server},
        {"malformed", failure_class::our_mistake},
        {"badCSR", failure_class::our_mistake},
        {"externalAccountRequired", failure_class::our_mistake},
        {"userActionRequired", failure_class::our_mistake},
        {"somethingNobodyKnows", failure_class::our_mistake},
    };
    for (const auto& [type, expected] : table) {
        INFO(type);
        CHECK(class_if_ca_says(errc::acme_problem, make_problem(type)) == expected);
    }
}

TEST_CASE("an unauthorized challenge is a connection's failure, an unauthorized account our mistake") {
    CHECK(class_if_ca_says(errc::authorization_invalid, make_problem("unauthorized")) == failure_class::connection);
    CHECK(class_if_ca_says(errc::order_invalid, make_problem("unauthorized")) == failure_class::connection);
    CHECK(class_if_ca_says(errc::acme_problem, make_problem("unauthorized")) == failure_class::our_mistake);
    CHECK(
        class_if_ca_says(errc::acme_problem, make_problem("malformed", 403, {"unauthorized"})) ==
        failure_class::our_mistake);
}

TEST_CASE("a type that nobody knows leaves the class to where it was said") {
    CHECK(class_if_ca_says(errc::authorization_invalid, make_problem("novel", 0)) == failure_class::connection);
    CHECK(class_if_ca_says(errc::order_invalid, make_problem("novel", 0)) == failure_class::server);
    auto foreign = make_problem("");
    foreign.type = "https://ca.test/errors/rateLimited";
    CHECK(class_if_ca_says(errc::acme_problem, foreign) == failure_class::our_mistake);
}

TEST_CASE("of several subproblems the one that takes most to mend decides") {
    const auto says = [](std::string type, std::vector<std::string> subproblems) {
        return class_if_ca_says(errc::acme_problem, make_problem(type, 403, std::move(subproblems)));
    };
    CHECK(says("malformed", {"malformed", "rejectedIdentifier"}) == failure_class::name_refused);
    CHECK(says("compound", {"dns", "caa", "connection"}) == failure_class::caa);
    CHECK(says("compound", {"connection", "dns"}) == failure_class::dns);
    CHECK(says("rejectedIdentifier", {"caa"}) == failure_class::caa);
    CHECK(says("caa", {"somethingNobodyKnows"}) == failure_class::caa);
    CHECK(says("rateLimited", {"rejectedIdentifier"}) == failure_class::rate_limited);
}

TEST_CASE("HTTP 5xx is the server's failure and 429 a limit, whatever the type") {
    CHECK(class_if_ca_says(errc::acme_problem, make_problem("malformed", 500)) == failure_class::server);
    CHECK(class_if_ca_says(errc::acme_problem, make_problem("novel", 503)) == failure_class::server);
    CHECK(class_if_ca_says(errc::acme_problem, make_problem("rateLimited", 503)) == failure_class::rate_limited);
    CHECK(class_if_ca_says(errc::acme_problem, make_problem("malformed", 429)) == failure_class::rate_limited);
    CHECK(class_if_ca_says(errc::acme_problem, make_problem("serverInternal", 500, {"caa"})) == failure_class::caa);
    problem blank;
    blank.type = "about:blank";
    blank.status = 404;
    CHECK(class_if_ca_says(errc::http_status, blank) == failure_class::server);
}

TEST_CASE("what the system says of the network is the server's failure, everything else this machine's") {
    using std::system_error;
    CHECK(class_if(system_error{asio::error::connection_refused}) == failure_class::server);
    CHECK(class_if(system_error{asio::error::host_not_found}) == failure_class::server);
    CHECK(class_if(system_error{asio::error::eof}) == failure_class::server);
    CHECK(class_if(system_error{std::make_error_code(std::errc::connection_reset)}) == failure_class::server);
    CHECK(class_if(system_error{asio::error::access_denied}) == failure_class::local);
    CHECK(class_if(system_error{std::make_error_code(std::errc::no_space_on_device)}) == failure_class::local);
    CHECK(class_if(system_error{std::make_error_code(std::errc::permission_denied)}) == failure_class::local);
    CHECK(class_if(std::runtime_error{"a solver of the application"}) == failure_class::local);
    CHECK(class_if(std::bad_alloc{}) == failure_class::local);
    CHECK(class_if(42) == failure_class::local);
}

TEST_CASE("a cancellation is nobody's failure") {
    CHECK(class_if(std::system_error{asio::error::operation_aborted}) == failure_class::cancelled);
    CHECK(class_if(error{make_error_code(std::errc::operation_canceled), "text"}) == failure_class::cancelled);
    CHECK(classify(nullptr) == failure_class::cancelled);
}

TEST_CASE("a failure as a value keeps what decided its class") {
    const auto whole = describe(std::make_exception_ptr(
        error{errc::rate_limited, "too many", make_problem("rateLimited", 429), std::chrono::seconds{60}}));
    CHECK(whole.kind == failure_class::rate_limited);
    CHECK(whole.problem_type == urn + "rateLimited");
    CHECK(whole.problem_status == 429);
    CHECK(whole.from_ca);
    CHECK(whole.retry_after == 60s);
    const auto part =
        describe(std::make_exception_ptr(error{errc::acme_problem, "no", make_problem("compound", 403, {"dns"})}));
    CHECK(part.problem_type == urn + "dns");
    CHECK(part.problem_status == 0);
    CHECK(describe(std::make_exception_ptr(42)).text.find("no std::exception") != std::string::npos);
}

TEST_CASE("each class has its own delays, and a cancellation none") {
    const retry_options delays;
    CHECK(delays.of(failure_class::name_refused).first == 6h);
    CHECK(delays.of(failure_class::caa).first == 15min);
    CHECK(delays.of(failure_class::dns).most == std::chrono::days{1});
    CHECK(delays.of(failure_class::connection).first == 5min);
    CHECK(delays.of(failure_class::rate_limited).first == 1h);
    CHECK(delays.of(failure_class::server).most == 6h);
    CHECK(delays.of(failure_class::our_mistake).first == 1h);
    CHECK(delays.of(failure_class::local).most == 1h);
    CHECK(delays.of(failure_class::cancelled).first == 0s);
}

TEST_CASE("every error code has a name that leads back to it") {
    int named = 0;
    for (int value = 1; make_error_code(static_cast<errc>(value)).message() != "unknown error"; ++value, ++named) {
        const auto code = make_error_code(static_cast<errc>(value));
        INFO(code.message());
        CHECK(to_name(code).starts_with("evercert:"));
        CHECK(parse_error_name(to_name(code)) == code);
    }
    CHECK(named > 30);
    CHECK(to_name(errc::rate_limited) == "evercert:rate_limited");
    for (const std::error_code code :
         {std::error_code{asio::error::host_not_found}, std::error_code{asio::error::eof},
          std::error_code{asio::error::connection_refused}, std::make_error_code(std::errc::no_space_on_device)})
        CHECK(parse_error_name(to_name(code)) == code);
    CHECK(to_name(std::error_code{}).empty());
}

TEST_CASE("names of error codes that mean nothing here are nothing") {
    for (const auto* text :
         {"", "evercert", "evercert:", "evercert:0", "evercert:no_such_error", "system:", "system:0", "system:x",
          "system:5x", "system:99999999999999", "somebody:5", ":5"}) {
        INFO(text);
        CHECK_FALSE(parse_error_name(text));
    }
}
