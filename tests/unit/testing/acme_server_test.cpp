#include <filesystem>
#include <map>
#include <thread>

#include <evercert/acme/client.hpp>
#include <evercert/certificate.hpp>
#include <evercert/csr.hpp>
#include <evercert/error.hpp>
#include <evercert/testing/acme_server.hpp>

#include "base/outcome.hpp"
#include "catch.hpp"
#include "crypto/challenge_certificate.hpp"
#include "crypto/pem.hpp"
#include "crypto/verify.hpp"
#include "descriptors.hpp"
#include "run.hpp"
#include "server/http_server.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using evercert::testing::acme_server;
using evercert::testing::acme_server_options;
using evercert::testing::issued_certificate;

namespace {

const endpoint any_port{asio::ip::address_v4::loopback(), 0};

/// A machine whose names are validated: it answers what it was told to.
struct machine : certificate_source {
    explicit machine(asio::io_context& io)
        : http{listen(io)},
          https{listen(io)},
          http_port{http->local_endpoint().port},
          https_port{https->local_endpoint().port},
          server{io.get_executor(), io.get_executor(), {}, system_clock(), {}} {
        server.add(std::move(http), [this](request in) { return answer(*this, std::move(in)); });
        server.add(std::move(https), [this](request in) { return answer(*this, std::move(in)); }, *this);
    }

    static std::unique_ptr<listener> listen(asio::io_context& io) {
        return system_network()->listen(io.get_executor(), any_port);
    }
    static asio::awaitable<response> answer(machine& self, request in) {
        const auto found = self.answers.find(std::string{in.path()});
        co_return found == self.answers.end() ? response{404} : response{found->second};
    }
    asio::awaitable<certificate_ptr> get_certificate(client_hello hello) override {
        const auto address = from_reverse_arpa(hello.server_name);
        const auto found = certificates.find(address ? address->value() : hello.server_name);
        if (!hello.is_challenge() || found == certificates.end())
            throw error{errc::no_challenge, "not being validated"};
        co_return found->second;
    }

    void present(const identifier& name, const acme::challenge& to, const std::string& key_authorization) {
        answers["/.well-known/acme-challenge/" + to.token] = key_authorization + "\n";
        certificates[name.value()] = make_challenge_certificate(name, key_authorization, system_clock()->wall());
    }

    std::unique_ptr<listener> http;
    std::unique_ptr<listener> https;
    std::uint16_t http_port;
    std::uint16_t https_port;
    http_server server;
    std::map<std::string, std::string> answers;
    std::map<std::string, certificate_ptr> certificates;
};

/// A CA, a machine and a client on one thread.
struct world {
    explicit world(acme_server_options options = {})
        : there{io},
          ca{io.get_executor(), with_ports(std::move(options), there)},
          client{private_key::generate(), client_options()},
          serving{io.get_executor(), there.server.run()} {}

    static acme_server_options with_ports(acme_server_options options, const machine& there) {
        options.http_port = there.http_port;
        options.https_port = there.https_port;
        return options;
    }
    acme::client_options client_options() const {
        acme::client_options options;
        options.directory_url = ca.directory_url();
        options.http.ca_file = ca.api_root_file();
        return options;
    }

    template <typename T>
    T run(asio::awaitable<T> work) {
        return test::run_io(io, std::move(work));
    }

    /// From an account to the ready order.
    static asio::awaitable<acme::order> prove(
        world& w, std::string type, std::vector<identifier> names, bool presented) {
        co_await w.client.new_account({}, true);
        auto order = co_await w.client.new_order(names);
        for (const auto& url : order.authorizations) {
            const auto authorization = co_await w.client.authorization(url);
            const auto& challenge = *authorization.find(type);
            if (presented)
                w.there.present(*authorization.identifier, challenge, w.client.key_authorization(challenge.token));
            co_await w.client.challenge_ready(challenge.url);
            co_await w.client.wait_authorization(url);
        }
        auto ready = co_await w.client.wait_order(order.url);
        co_return ready;
    }
    static asio::awaitable<acme::certificate_chain> obtain(world& w, std::string type, std::vector<identifier> names) {
        auto order = co_await prove(w, std::move(type), names, true);
        auto csr = make_csr(w.key, names);
        auto finalized = co_await w.client.finalize(order, csr);
        auto valid = co_await w.client.wait_order(finalized.url);
        auto chain = co_await w.client.certificate(valid.certificate);
        co_return chain;
    }

    acme::certificate_chain obtain(std::string type, std::vector<identifier> names) {
        return run(obtain(*this, std::move(type), std::move(names)));
    }
    /// Of the challenge that could not be validated, without its URN.
    std::string failure(std::string type, std::vector<identifier> names, bool presented = false) {
        try {
            run(prove(*this, std::move(type), std::move(names), presented));
        } catch (const error& why) {
            if (why.code() != errc::authorization_invalid || !why.problem())
                return why.what();
            return why.problem()->type.substr(why.problem()->type.rfind(':') + 1);
        }
        return "none";
    }

    asio::io_context io;
    machine there;
    acme_server ca;
    acme::client client;
    test::started<void> serving;
    private_key key = private_key::generate();
};

void check_issued(const world& w, const acme::certificate_chain& chain, const std::vector<identifier>& names) {
    const certificate cert{chain.pem, w.key};
    verify_servable(cert, names, system_clock()->wall());
    verify_chain(cert, w.ca.issuing_root_pem(), system_clock()->wall());
}

}  // namespace

TEST_CASE("names are validated over http-01 and certified over real HTTPS, all on one thread") {
    world w;
    const std::vector<identifier> names{"a.test", "b.test", "192.0.2.1", "2001:db8::1"};
    check_issued(w, w.obtain("http-01", names), names);
    CHECK(w.ca.certificates_issued() == 1);
    CHECK(w.ca.count("newAccount") == 1);
    CHECK(w.ca.count("newOrder") == 1);
    CHECK(w.ca.count("finalize") == 1);
    CHECK(w.ca.count("revokeCert") == 0);
}

TEST_CASE("names and addresses are validated over tls-alpn-01") {
    world w;
    const std::vector<identifier> names{"a.test", "192.0.2.1", "2001:db8::1"};
    check_issued(w, w.obtain("tls-alpn-01", names), names);
}

TEST_CASE("delays, processing orders and bad nonces change nothing but the time it takes") {
    world w{{.bad_nonce_every = 2, .validation_delay = 30ms, .issuance_delay = 30ms, .alternate_chain = true}};
    const auto chain = w.obtain("http-01", {"a.test"});
    check_issued(w, chain, {"a.test"});
    CHECK(
        chain.alternates ==
        std::vector{w.ca.directory_url().substr(0, w.ca.directory_url().rfind('/')) + "/certificate/1/alternate"});
}

TEST_CASE("a validation that fails says how") {
    world w;
    CHECK(w.failure("http-01", {"a.test"}) == "unauthorized");
    CHECK(w.failure("tls-alpn-01", {"a.test"}) == "tls");
    CHECK(w.failure("http-01", {"a.test"}, true) == "none");

    w.ca.validation_ports(w.there.https_port, w.there.http_port);
    CHECK(w.failure("http-01", {"a.test"}) == "connection");
    CHECK(w.failure("tls-alpn-01", {"a.test"}) == "tls");

    const auto closed = [&] {
        const auto nobody = system_network()->listen(w.io.get_executor(), any_port);
        return nobody->local_endpoint().port;
    }();
    w.ca.validation_ports(closed, closed);
    CHECK(w.failure("http-01", {"a.test"}) == "connection");
    CHECK(w.failure("tls-alpn-01", {"a.test"}) == "connection");
}

TEST_CASE("a validation that gets no answer ends after its timeout") {
    world w{{.validation_timeout = 100ms}};
    const auto silent = system_network()->listen(w.io.get_executor(), any_port);
    w.ca.validation_ports(silent->local_endpoint().port, silent->local_endpoint().port);
    CHECK(w.failure("http-01", {"a.test"}) == "connection");
    CHECK(w.failure("tls-alpn-01", {"a.test"}) == "connection");
}

TEST_CASE("wrong answers to a challenge are incorrect responses") {
    world w;
    w.run(world::prove(w, "http-01", {"a.test"}, true));
    for (auto& [path, answer] : w.there.answers)
        answer = "somebody.else";
    w.there.certificates["a.test"] = make_challenge_certificate("a.test", "somebody.else", system_clock()->wall());
    CHECK(w.failure("tls-alpn-01", {"a.test"}) == "incorrectResponse");
}

TEST_CASE("a failure on demand reaches the client with its Retry-After") {
    world w;
    w.ca.fail_next("newOrder", 429, "rateLimited", "too many orders", "90");
    try {
        w.obtain("http-01", {"a.test"});
        FAIL("the order was accepted");
    } catch (const error& why) {
        REQUIRE(why.problem());
        CHECK(why.problem()->is("rateLimited"));
        CHECK(why.retry_after() == 90s);
    }
    check_issued(w, w.obtain("http-01", {"a.test"}), {"a.test"});
}

TEST_CASE("what was revoked is listed by its serial number") {
    world w;
    const auto chain = w.obtain("http-01", {"a.test"});
    const auto der = read_pem(chain.pem, errc::invalid_certificate).front().der;
    w.run(w.client.revoke(der));
    CHECK(w.ca.revoked() == std::vector{certificate{chain.pem, w.key}.serial()});
}

TEST_CASE("renewal information follows what the test says, and an order replaces a certificate") {
    world w;
    const std::vector<identifier> names{"a.test"};
    const certificate cert{w.obtain("http-01", names).pem, w.key};
    const auto id = acme::certificate_id(cert);
    const auto first = w.run(w.client.renewal_info(id));
    CHECK(first.start > cert.not_before());
    CHECK(first.end < cert.not_after());
    CHECK(first.retry_after == duration{6h});

    const auto now = std::chrono::floor<std::chrono::seconds>(system_clock()->wall());
    w.ca.renewal_window(cert.serial(), now, now + 1h, "https://ca.test/why");
    CHECK(w.run(w.client.renewal_info(id)).explanation_url == "https://ca.test/why");
    w.ca.renewal_windows(now - 2h, now - 1h);
    CHECK(w.run(w.client.renewal_info(id)).end == now - 1h);
    w.ca.renewal_window(cert.serial(), now, now);
    CHECK_THROWS_AS(w.run(w.client.renewal_info(id)), error);
    CHECK_THROWS_AS(w.ca.renewal_window("00", now, now), error);
    CHECK(w.ca.count("renewalInfo") == 4);

    CHECK(w.run(w.client.new_order(names, id)).replaces == id);
    try {
        w.run(w.client.new_order(names, id));
        FAIL("it was replaced twice");
    } catch (const error& why) {
        REQUIRE(why.problem());
        CHECK(why.problem()->is("alreadyReplaced"));
    }
}

TEST_CASE("options out of their range and resources that do not exist are refused") {
    asio::io_context io;
    const auto code_of = [&](acme_server_options options) {
        try {
            acme_server{io.get_executor(), std::move(options)};
        } catch (const error& why) {
            return why.code();
        }
        return std::error_code{};
    };
    CHECK(code_of({.lifetime = std::chrono::seconds::max()}) == errc::invalid_options);
    CHECK(code_of({.lifetime = 0s}) == errc::invalid_options);
    CHECK(code_of({.validation_timeout = 0s}) == errc::invalid_options);
    CHECK(code_of({.issuance_delay = std::chrono::milliseconds::max()}) == errc::invalid_options);
    CHECK(code_of({.challenges = {}}) == errc::invalid_options);
    CHECK(code_of({.bad_nonce_every = -1}) == errc::invalid_options);
    CHECK(code_of({.clock = nullptr}) == errc::invalid_options);

    acme_server ca{io.get_executor()};
    const auto port = ca.directory_url().substr(18, ca.directory_url().rfind('/') - 18);
    CHECK(
        code_of({.api = {asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(std::stoi(port))}}) ==
        errc::listen_failed);
    CHECK_THROWS_AS(ca.count("new-order"), error);
    CHECK_THROWS_AS(ca.fail_next("orderz", 500, ""), error);
    CHECK_THROWS_AS(ca.fail_next("order", 200, ""), error);
}

TEST_CASE("the file with the API's root is private, and goes with the CA") {
    asio::io_context io;
    std::string path;
    {
        acme_server ca{io.get_executor()};
        path = ca.api_root_file();
        CHECK(std::filesystem::status(path).permissions() == std::filesystem::perms{0600});
        CHECK(read_pem(ca.api_root_pem(), errc::invalid_certificate).size() == 1);
    }
    CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a CA that is stopped leaves no descriptor and nothing to run") {
    const auto before = test::open_descriptors();
    {
        world w;
        w.obtain("http-01", {"a.test"});
        // A validation in progress and a client's idle connection are there as well.
        const auto silent = system_network()->listen(w.io.get_executor(), any_port);
        w.ca.validation_ports(silent->local_endpoint().port, 0);
        test::started<acme::order> cut_short{w.io.get_executor(), world::prove(w, "http-01", {"b.test"}, false)};
        w.io.restart();
        while (w.ca.count("challenge") < 2)
            w.io.run_one_for(1s);
        w.ca.stop();
        w.ca.stop();
        cut_short.cancel();
        w.client = acme::client{private_key::generate(), w.client_options()};
        w.there.server.stop({});
        w.io.restart();
        w.io.run_for(5s);
        CHECK(w.io.stopped());
    }
    CHECK(test::open_descriptors() == before);
}

TEST_CASE("a CA may be destroyed before the io_context runs, while it runs, and after it stopped") {
    const auto before = test::open_descriptors();
    {
        asio::io_context io;
        {
            acme_server ca{io.get_executor()};
        }
        io.run();
    }
    {
        asio::io_context io;
        auto ca = std::make_unique<acme_server>(io.get_executor());
        std::thread runs{[&] { io.run(); }};
        ca->count("order");
        ca.reset();
        runs.join();
    }
    {
        world w;
        w.obtain("http-01", {"a.test"});
        w.io.stop();
    }
    CHECK(test::open_descriptors() == before);
}

TEST_CASE("two CAs in one process know nothing of each other") {
    world one;
    world other;
    CHECK(one.ca.directory_url() != other.ca.directory_url());
    CHECK(one.ca.api_root_file() != other.ca.api_root_file());
    const auto chain = one.obtain("http-01", {"a.test"});
    CHECK(other.ca.certificates_issued() == 0);
    const certificate cert{chain.pem, one.key};
    CHECK_THROWS_AS(verify_chain(cert, other.ca.issuing_root_pem(), system_clock()->wall()), error);
}

TEST_CASE("an answer that is lost closes the connection, and what it was for is done") {
    std::vector<issued_certificate> issued;
    world w{{.issued = [&](const issued_certificate& each) { issued.push_back(each); }}};
    w.ca.faults().lose_every(1, "finalize");
    CHECK_THROWS_AS(w.obtain("http-01", {"a.test"}), std::system_error);
    REQUIRE(issued.size() == 1);
    CHECK(issued[0].names == std::vector<identifier>{"a.test"});
    CHECK(w.ca.certificates_issued() == 1);

    w.ca.recover();
    const certificate cert{w.obtain("http-01", {"a.test"}).pem, w.key};
    REQUIRE(issued.size() == 2);
    CHECK(issued[1].serial == cert.serial());
    CHECK(issued[1].not_before == cert.not_before());
    CHECK(issued[1].not_after == cert.not_after());
}

TEST_CASE("what a limit refuses is counted, with its text") {
    ca_limits limits;
    limits.orders = {1, 3h};
    world w{{.limits = limits}};
    w.obtain("http-01", {"a.test"});
    CHECK(w.ca.limit_violations() == 0);
    CHECK_THROWS_AS(w.obtain("http-01", {"b.test"}), error);
    CHECK(w.ca.limit_violations() == 1);
    REQUIRE(w.ca.latest_limit_violations().size() == 1);
    CHECK(w.ca.latest_limit_violations()[0].find("newOrder of account 1 for b.test") != std::string::npos);
}
