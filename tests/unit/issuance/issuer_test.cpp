#include <functional>

#include <boost/json.hpp>

#include <evercert/error.hpp>

#include "../acme/scripted_ca.hpp"
#include "catch.hpp"
#include "challenge/http_solver.hpp"
#include "crypto/csr.hpp"
#include "crypto/encoding.hpp"
#include "crypto/issue.hpp"
#include "issuance/issuer.hpp"
#include "run.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

// Named: a braced list in an expression that awaits is too much for GCC 12.
const std::vector<identifier> names{"a.test"};

/// A CA whose orders are ready at once and whose certificates are what the test makes of the CSR.
struct fixture {
    using forgery = std::function<std::string(const certificate_request&)>;

    asio::io_context io;
    test::scripted_ca ca{io.get_executor()};
    wall_time now = system_clock()->wall();
    private_key issuing_key = private_key::generate();
    certificate root = make_root("Root", private_key::generate(), {now - 24h, now + 24h * 365});
    certificate intermediate = make_intermediate("Intermediate", issuing_key, {now - 24h, now + 24h * 365}, root);
    std::string pem;
    bool loses_the_answer_to_finalize = false;

    static std::string order(const std::string& status, const test::scripted_ca& of) {
        return R"({"status": ")" + status +
            R"(", "identifiers": [{"type": "dns", "value": "a.test"}], "authorizations": [], "finalize": ")" +
            of.url("/finalize") + R"(", "certificate": ")" + of.url("/certificate") + "\"}";
    }

    /// What the issuer makes of it: nothing, or its error.
    std::optional<error> order(const forgery& make) {
        ca.usual();
        ca.json("/new-order", 201, order("ready", ca), ca.url("/order"));
        ca.json("/order", 200, order("ready", ca), "");
        ca.on("/finalize", [&](const test::scripted_ca::seen& asked) {
            const auto payload = boost::json::parse(asked.payload).as_object();
            const auto der = base64url_decode(std::string_view{payload.at("csr").as_string()}).value();
            auto csr = parse_csr(der);
            pem = make(certificate_request{csr.names, csr.key, {now - 1h, now + 24h * 90}, {}});
            ca.json("/order", 200, order("valid", ca), "");
            if (loses_the_answer_to_finalize)
                return response{502, "Bad Gateway"};
            return response{200, order("valid", ca)};
        });
        ca.on("/certificate", [&](const test::scripted_ca::seen&) {
            response answer{pem};
            answer.fields.set("Content-Type", "application/pem-certificate-chain");
            return answer;
        });
        return test::run_io(io, run());
    }

private:
    asio::awaitable<std::optional<error>> run() {
        std::vector<std::shared_ptr<solver>> solvers;
        solvers.push_back(std::make_shared<http_solver>());
        issuer by{std::move(solvers), system_clock(), logger{}, issuer_options{}};
        acme::client client{private_key::generate(), ca.options()};
        std::vector<std::string> contact;
        co_await client.new_account(std::move(contact), true);
        issuer::lessons learned;
        std::optional<error> thrown;
        try {
            auto ready = co_await by.place(client, names, std::string{}, learned);
            const auto obtained = co_await by.complete(client, std::move(ready), private_key::generate(), names);
            if (!obtained->covers("a.test"))
                throw std::logic_error{"a certificate for something else"};
        } catch (const error& e) {
            thrown = e;
        }
        co_await ca.stop();
        co_return thrown;
    }
};

}  // namespace

TEST_CASE("a good certificate is taken") {
    fixture f;
    CHECK_FALSE(f.order([&](const certificate_request& asked) { return issue(asked, f.intermediate); }));
}

TEST_CASE("a certificate for somebody else's key is refused") {
    fixture f;
    const auto refused = f.order([&](certificate_request asked) {
        asked.key = public_key{private_key::generate()};
        return issue(asked, f.intermediate);
    });
    REQUIRE(refused);
    CHECK(refused->code() == errc::key_mismatch);
}

TEST_CASE("a certificate for another name is refused by the name that it lacks") {
    fixture f;
    const auto refused = f.order([&](certificate_request asked) {
        asked.names = {"b.test"};
        return issue(asked, f.intermediate);
    });
    REQUIRE(refused);
    CHECK(refused->code() == errc::name_mismatch);
    CHECK_THAT(refused->what(), Catch::Matchers::ContainsSubstring("a.test"));
}

TEST_CASE("a certificate that has expired, or is not valid yet, is refused") {
    const bool expired = GENERATE(true, false);
    fixture f;
    const auto refused = f.order([&](certificate_request asked) {
        asked.valid = expired ? validity{f.now - 48h, f.now - 24h} : validity{f.now + 24h, f.now + 48h};
        return issue(asked, f.intermediate);
    });
    REQUIRE(refused);
    CHECK(refused->code() == errc::certificate_expired);
}

TEST_CASE("a certificate that begins some minutes from now is taken: the CA's clock is ahead of ours") {
    fixture f;
    CHECK_FALSE(f.order([&](certificate_request asked) {
        asked.valid = {f.now + 5min, f.now + 90 * 24h};
        return issue(asked, f.intermediate);
    }));
}

TEST_CASE("a chain whose issuers are missing, or not the issuers, is refused") {
    fixture f;
    const auto other = make_intermediate("Other", private_key::generate(), {f.now - 24h, f.now + 24h}, f.root);
    const auto refused = f.order([&](const certificate_request& asked) {
        const auto chain = issue(asked, f.intermediate);
        return chain.substr(0, chain.find("-----BEGIN", 1)) + other.chain_pem();
    });
    REQUIRE(refused);
    CHECK(refused->code() == errc::chain_incomplete);
}

TEST_CASE("a chain out of order is refused") {
    fixture f;
    const auto refused = f.order([&](const certificate_request& asked) {
        const auto chain = issue(asked, f.intermediate);
        const auto second = chain.find("-----BEGIN", 1);
        return chain.substr(second) + chain.substr(0, second);
    });
    REQUIRE(refused);
    CHECK((refused->code() == errc::key_mismatch || refused->code() == errc::chain_incomplete));
}

TEST_CASE("what is no certificate is refused") {
    const std::string body = GENERATE("", "<html>", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    fixture f;
    CHECK(f.order([&](const certificate_request&) { return body; }));
}

TEST_CASE("a finalize whose answer is lost is looked up and not sent again") {
    fixture f;
    f.loses_the_answer_to_finalize = true;
    CHECK_FALSE(f.order([&](const certificate_request& asked) { return issue(asked, f.intermediate); }));
    CHECK(f.ca.count("/finalize") == 1);
    CHECK(f.ca.count("/order") > 0);
}
