#include <filesystem>
#include <fstream>
#include <sstream>

#include <boost/json.hpp>

#include <evercert/manager.hpp>

#include "../acme/scripted_ca.hpp"
#include "base/outcome.hpp"
#include "catch.hpp"
#include "crypto/csr.hpp"
#include "crypto/encoding.hpp"
#include "crypto/issue.hpp"
#include "keeping.hpp"
#include "run.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

/// A CA that wants no proof, and whose certificates are what the test makes of the CSR.
struct hostile_ca {
    using forgery = std::function<std::string(const certificate_request&)>;

    explicit hostile_ca(asio::io_context& io) : ca{io.get_executor()} {
        ca.usual();
        ca.json("/new-order", 201, order("ready"), ca.url("/order"));
        ca.json("/order", 200, order("ready"));
        ca.on("/finalize", [this](const test::scripted_ca::seen& asked) { return finalize(asked.payload); });
        ca.on("/certificate", [this](const test::scripted_ca::seen&) {
            response answer{pem};
            answer.fields.set("Content-Type", "application/pem-certificate-chain");
            return answer;
        });
    }

    std::string order(const std::string& status) const {
        return R"({"status": ")" + status +
            R"(", "identifiers": [{"type": "dns", "value": "a.test"}], "authorizations": [], "finalize": ")" +
            ca.url("/finalize") + R"(", "certificate": ")" + ca.url("/certificate") + "\"}";
    }
    response finalize(const std::string& payload) {
        const auto request = boost::json::parse(payload).as_object();
        const auto csr = parse_csr(base64url_decode(std::string_view{request.at("csr").as_string()}).value());
        pem = make(certificate_request{csr.names, csr.key, {now - 1h, now + 24h * 90}, {}});
        return response{200, order("valid")};
    }
    std::string honest(const certificate_request& asked) const { return issue(asked, intermediate); }

    test::scripted_ca ca;
    wall_time now = system_clock()->wall();
    certificate root = make_root("Root", private_key::generate(), {now - 24h, now + 24h * 365});
    certificate intermediate =
        make_intermediate("Intermediate", private_key::generate(), {now - 24h, now + 24h * 365}, root);
    forgery make = [this](const certificate_request& asked) { return honest(asked); };
    std::string pem;
};

struct forged {
    std::string what;
    hostile_ca::forgery make;
    errc code;
};

std::vector<forged> forgeries(const hostile_ca& by) {
    const auto leaf_of = [](const std::string& chain) { return chain.substr(0, chain.find("-----BEGIN", 1)); };
    return {
        {"somebody else's key",
         [&by](certificate_request asked) {
             asked.key = public_key{private_key::generate()};
             return by.honest(asked);
         },
         errc::key_mismatch},
        {"the CA's own certificate", [&by](const certificate_request&) { return by.intermediate.chain_pem(); },
         errc::key_mismatch},
        {"another name",
         [&by](certificate_request asked) {
             asked.names = {"b.test", "*.a.test"};
             return by.honest(asked);
         },
         errc::name_mismatch},
        {"over",
         [&by](certificate_request asked) {
             asked.valid = {by.now - 48h, by.now - 24h};
             return by.honest(asked);
         },
         errc::certificate_expired},
        {"not yet",
         [&by](certificate_request asked) {
             asked.valid = {by.now + 24h, by.now + 48h};
             return by.honest(asked);
         },
         errc::certificate_expired},
        {"an issuer that is none",
         [&by, leaf_of](const certificate_request& asked) { return leaf_of(by.honest(asked)) + by.root.chain_pem(); },
         errc::chain_incomplete},
        {"a key in the chain",
         [&by](const certificate_request& asked) { return by.honest(asked) + private_key::generate().to_pem(); },
         errc::acme_malformed},
        {"no certificate", [](const certificate_request&) { return std::string{}; }, errc::acme_malformed},
        {"PEM of nothing",
         [](const certificate_request&) {
             return std::string{"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"};
         },
         errc::invalid_certificate}};
}

manager_options options_for(const hostile_ca& ca) {
    const auto reach = ca.ca.options();
    manager_options options;
    options.directory_url = reach.directory_url;
    options.http = reach.http;
    return options;
}

std::string content_of(const std::string& file) {
    std::ostringstream text;
    text << std::ifstream{file, std::ios::binary}.rdbuf();
    return text.str();
}

asio::awaitable<void> end(manager& by, test::started<void>& running, test::scripted_ca& ca) {
    by.stop();
    co_await running.join();
    co_await ca.stop();
}

}  // namespace

TEST_CASE("what a CA sends instead of the certificate that was ordered is never published or kept") {
    const auto n = static_cast<std::size_t>(GENERATE(range(0, 9)));
    asio::io_context io;
    hostile_ca ca{io};
    const auto all = forgeries(ca);
    REQUIRE(all.size() == 9);
    INFO(all[n].what);
    ca.make = all[n].make;
    test::temporary_folder folder;
    manager by{io, options_for(ca)};
    by.cache_file(folder / "cache");
    test::started<void> running{io.get_executor(), by.run()};

    auto test = [&]() -> asio::awaitable<void> {
        const identifier name{"a.test"};
        auto thrown = co_await test::error_of(by.cert(name));
        CHECK(thrown.code() == all[n].code);
        CHECK_FALSE(by.find(name));
        CHECK(by.marshal().find("BEGIN CERTIFICATE") == std::string::npos);
        co_await end(by, running, ca.ca);
        CHECK(content_of(folder / "cache").find("BEGIN CERTIFICATE") == std::string::npos);
    };
    test::run_io(io, test());
}

TEST_CASE("a CA that sends a forgery at a renewal leaves the certificate at hand in service") {
    asio::io_context io;
    hostile_ca ca{io};
    ca.make = [&ca](certificate_request asked) {
        asked.key = public_key{private_key::generate()};
        return ca.honest(asked);
    };
    test::keeping kept{test::keeping::kind::memory};
    kept.fill(test::due("a.test"));
    auto options = options_for(ca);
    options.store = kept.store;
    manager by{io, options};
    auto events = by.events();
    test::started<void> running{io.get_executor(), by.run()};

    auto test = [&]() -> asio::awaitable<void> {
        auto event = co_await events.next();
        while (event.type != event_type::failed)
            event = co_await events.next();
        CHECK(event.text.find("private key does not belong") != std::string::npos);
        CHECK(ca.ca.count("/certificate") == 1);
        const auto served = by.find("a.test");
        CHECK(served);
        CHECK(served->not_after() < system_clock()->wall() + 24h * 11);
        co_await end(by, running, ca.ca);
    };
    test::run_io(io, test());
}
