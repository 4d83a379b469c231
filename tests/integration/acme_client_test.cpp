#include <map>
#include <memory>

#include <asio/io_context.hpp>
#include <openssl/x509.h>

#include <evercert/acme/client.hpp>
#include <evercert/certificate.hpp>
#include <evercert/csr.hpp>

#include "base/outcome.hpp"
#include "base/task_group.hpp"
#include "catch.hpp"
#include "pebble.hpp"
#include "run.hpp"
#include "serve_http.hpp"

using namespace evercert;

namespace {

/// Answers http-01 on the port where the CA asks.
class responder {
public:
    responder(asio::any_io_executor executor, std::uint16_t port)
        : executor_{executor},
          listener_{system_network()->listen(executor, {asio::ip::address_v4::loopback(), port})},
          connections_{executor} {
        connections_.spawn(accept());
    }

    asio::awaitable<void> stop() {
        listener_->close();
        connections_.cancel();
        co_await connections_.join();
    }

    std::map<std::string, std::string> answers;  ///< token → key authorization

private:
    asio::awaitable<void> accept() {
        for (;;) {
            auto connected = co_await listener_->accept(executor_);
            connections_.spawn(serve(std::move(connected)));
        }
    }

    asio::awaitable<void> serve(std::unique_ptr<stream> connected) {
        const handler answer = [this](request ask) { return reply(std::move(ask)); };
        co_await test::serve_http(std::move(connected), answer);
    }

    asio::awaitable<response> reply(request ask) {
        auto path = std::string{ask.path()};
        auto found = answers.find(path.substr(path.rfind('/') + 1));
        if (!path.starts_with("/.well-known/acme-challenge/") || found == answers.end())
            co_return response{404};
        co_return response{found->second};
    }

    asio::any_io_executor executor_;
    std::unique_ptr<listener> listener_;
    task_group connections_;
};

/// What every test needs: the CA, someone who answers for the names, and a client with an account.
class fixture {
public:
    explicit fixture(test::pebble_options options)
        : ca{std::move(options)},
          http{io.get_executor(), ca.http_port()},
          client{private_key::generate(), client_options()} {}

    acme::client_options client_options() const {
        acme::client_options result;
        result.directory_url = ca.directory_url();
        result.http.ca_file = ca.ca_file();
        return result;
    }

    asio::awaitable<acme::account> join() {
        const std::vector<std::string> contact{"mailto:ops@example.com"};
        co_return co_await client.new_account(contact, true);
    }

    asio::awaitable<void> authorize(acme::order order) {
        for (auto& url : order.authorizations) {
            auto authorization = co_await client.authorization(url);
            const auto* challenge = authorization.find("http-01");
            if (authorization.status == acme::authorization_status::valid || !challenge)
                continue;
            http.answers[challenge->token] = client.key_authorization(challenge->token);
            co_await client.challenge_ready(challenge->url);
            co_await client.wait_authorization(url);
        }
    }

    /// Everything up to the certificate.
    asio::awaitable<acme::order> obtain(std::vector<identifier> names, private_key key) {
        auto order = co_await client.new_order(names);
        co_await authorize(order);
        order = co_await client.wait_order(order.url);
        order = co_await client.finalize(order, make_csr(key, names));
        co_return co_await client.wait_order(order.url);
    }

    asio::io_context io;
    test::pebble ca;
    responder http;
    acme::client client;
};

template <typename Test>
asio::awaitable<void> run_and_stop(fixture& parts, Test& test) {
    auto outcome = co_await as_outcome(test(parts));
    co_await parts.http.stop();
    outcome.get();
}

template <typename Test>
void with_pebble(test::pebble_options options, Test test) {
    fixture parts{std::move(options)};
    test::run_io(parts.io, run_and_stop(parts, test));
}

template <typename T>
asio::awaitable<error> error_of(asio::awaitable<T> work) {
    auto result = co_await as_outcome(std::move(work));
    if (!result.thrown)
        throw std::runtime_error{"it did not fail"};
    try {
        std::rethrow_exception(result.thrown);
    } catch (const error& thrown) {
        co_return thrown;
    }
}

const std::vector<identifier> names{"a.example.org", "b.example.org"};

std::vector<unsigned char> der_of(const certificate& one) {
    std::vector<unsigned char> der(static_cast<std::size_t>(i2d_X509(one.native_handle(), nullptr)));
    auto* out = der.data();
    i2d_X509(one.native_handle(), &out);
    return der;
}

}  // namespace

TEST_CASE("Pebble issues a certificate, step by step, and revokes it") {
    with_pebble({.alternate_roots = 2, .chain_length = 2}, [](fixture& parts) -> asio::awaitable<void> {
        auto& client = parts.client;
        auto directory = co_await client.directory();
        CHECK(directory.terms_of_service);
        auto account = co_await parts.join();
        CHECK(account.status == acme::account_status::valid);

        auto key = private_key::generate();
        auto order = co_await parts.obtain(names, key);
        CHECK(order.status == acme::order_status::valid);
        auto chain = co_await client.certificate(order.certificate);
        certificate issued{chain.pem, key};
        CHECK_NOTHROW(verify_servable(issued, names, system_clock()->wall()));
        REQUIRE(chain.alternates.size() == 2);
        auto other = co_await client.certificate(chain.alternates[0]);
        CHECK(other.pem != chain.pem);
        certificate alternate{other.pem, key};
        CHECK(alternate.serial() == issued.serial());

        auto der = der_of(issued);
        co_await client.revoke(der, acme::revocation_reason::superseded);
        auto thrown = co_await error_of(client.revoke(der));
        REQUIRE(thrown.problem());
        CHECK(thrown.problem()->is("alreadyRevoked"));
        REQUIRE(client.date());
        CHECK(std::chrono::abs(client.date()->date - system_clock()->wall()) < std::chrono::minutes{1});
    });
}

TEST_CASE("a certificate is replaced at Pebble, whether it has renewal information or not") {
    with_pebble({}, [](fixture& parts) -> asio::awaitable<void> {
        auto& client = parts.client;
        co_await parts.join();
        auto key = private_key::generate();
        auto order = co_await parts.obtain(names, key);
        auto chain = co_await client.certificate(order.certificate);
        certificate issued{chain.pem, key};
        auto id = acme::certificate_id(issued);
        auto directory = co_await client.directory();
        if (directory.renewal_info.empty()) {
            // As Debian 12's.
            auto thrown = co_await error_of(client.renewal_info(id));
            CHECK(thrown.code() == errc::acme_unsupported);
        } else {
            auto info = co_await client.renewal_info(id);
            CHECK(info.start < info.end);
            CHECK(info.end < issued.not_after());
        }
        auto replacing = co_await client.new_order(names, id);
        CHECK(replacing.status == acme::order_status::pending);
    });
}

TEST_CASE("Pebble issues though it refuses every second nonce") {
    with_pebble({.nonce_reject = 50}, [](fixture& parts) -> asio::awaitable<void> {
        co_await parts.join();
        auto key = private_key::generate();
        auto order = co_await parts.obtain(names, key);
        auto chain = co_await parts.client.certificate(order.certificate);
        certificate issued{chain.pem, key};
        CHECK(issued.covers("a.example.org"));
    });
}

TEST_CASE("Pebble finds an account by its key, and none for another key") {
    with_pebble({}, [](fixture& parts) -> asio::awaitable<void> {
        auto made = co_await parts.join();
        acme::client again{parts.client.account_key(), parts.client_options()};
        auto found = co_await again.only_return_existing();
        CHECK(found.url == made.url);
        acme::client stranger{private_key::generate(), parts.client_options()};
        auto thrown = co_await error_of(stranger.only_return_existing());
        CHECK(thrown.code() == errc::account_does_not_exist);
    });
}

TEST_CASE("an account that went with a restart of the CA is told apart") {
    with_pebble({}, [](fixture& parts) -> asio::awaitable<void> {
        co_await parts.join();
        parts.ca.stop();
        auto thrown = co_await error_of(parts.client.new_order(names));
        CHECK(is_retryable(thrown));
        parts.ca.start();
        thrown = co_await error_of(parts.client.new_order(names));
        CHECK(thrown.code() == errc::account_does_not_exist);
    });
}

TEST_CASE("Pebble's refusal of a name says which step and why") {
    with_pebble({}, [](fixture& parts) -> asio::awaitable<void> {
        co_await parts.join();
        const std::vector<identifier> blocked{"blocked-domain.example"};
        auto thrown = co_await error_of(parts.client.new_order(blocked));
        CHECK(thrown.code() == errc::acme_problem);
        REQUIRE(thrown.problem());
        CHECK(thrown.problem()->is("rejectedIdentifier"));
        CHECK(std::string{thrown.what()}.find("refused newOrder") != std::string::npos);
    });
}

TEST_CASE("a challenge that nobody answers fails the authorization with the CA's reason") {
    with_pebble({}, [](fixture& parts) -> asio::awaitable<void> {
        co_await parts.join();
        auto order = co_await parts.client.new_order(names);
        auto authorization = co_await parts.client.authorization(order.authorizations.at(0));
        const auto* challenge = authorization.find("http-01");
        REQUIRE(challenge);
        co_await parts.client.challenge_ready(challenge->url);
        auto thrown = co_await error_of(parts.client.wait_authorization(authorization.url));
        CHECK(thrown.code() == errc::authorization_invalid);
        REQUIRE(thrown.problem());
        CHECK(thrown.problem()->is("unauthorized"));
        thrown = co_await error_of(parts.client.wait_order(order.url));
        CHECK(thrown.code() == errc::order_invalid);
    });
}

TEST_CASE("an authorization that is deactivated cannot be waited for") {
    with_pebble({}, [](fixture& parts) -> asio::awaitable<void> {
        co_await parts.join();
        auto order = co_await parts.client.new_order(names);
        auto url = order.authorizations.at(0);
        co_await parts.client.deactivate_authorization(url);
        auto authorization = co_await parts.client.authorization(url);
        CHECK(authorization.status == acme::authorization_status::deactivated);
        auto thrown = co_await error_of(parts.client.wait_authorization(url));
        CHECK(thrown.code() == errc::authorization_invalid);
    });
}

TEST_CASE("every kind of account key is one that Pebble takes") {
    with_pebble({}, [](fixture& parts) -> asio::awaitable<void> {
        const std::vector<key_type> types{key_type::ec_p256, key_type::ec_p384, key_type::rsa_2048};
        for (auto type : types) {
            INFO(to_string(type));
            acme::client client{private_key::generate(type), parts.client_options()};
            const std::vector<std::string> contact;
            auto account = co_await client.new_account(contact, true);
            CHECK(account.status == acme::account_status::valid);
            auto order = co_await client.new_order(names);
            CHECK(order.status == acme::order_status::pending);
        }
    });
}
