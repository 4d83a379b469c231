#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <boost/json/object.hpp>

#include <evercert/acme/client.hpp>
#include <evercert/certificate.hpp>
#include <evercert/http.hpp>
#include <evercert/network.hpp>
#include <evercert/tls_context.hpp>

#include "base/event.hpp"
#include "base/outcome.hpp"
#include "base/task_group.hpp"
#include "process.hpp"
#include "run.hpp"

namespace test {

/// HTTPS on loopback that answers what the test tells it to, and keeps what it was asked. Every answer carries a
/// new nonce ("n1", "n2", …) unless it has a Replay-Nonce or the test switched that off.
class scripted_ca {
public:
    /// A request as the test wants to look at it.
    class seen {
    public:
        std::string method;
        std::string path;
        evercert::fields fields;
        boost::json::object header;  ///< the protected header of its JWS; empty for GET and HEAD
        std::string payload;
        std::string body;  ///< the JWS as it came
    };
    using answer = std::function<evercert::response(const seen&)>;

    explicit scripted_ca(asio::any_io_executor);

    /// Every request to this path is answered so, until the next `on`.
    void on(const std::string& path, answer);
    void on(const std::string& path, evercert::response fixed);
    /// Answer with a document, and a Location if there is one.
    void json(const std::string& path, int status, std::string body, std::string location = {});
    /// The directory, newNonce and newAccount of a CA that works.
    void usual();
    /// The same with renewal information below "/ari".
    void offer_renewal_info();

    std::string url(std::string_view path) const;
    /// Options that lead a client here.
    evercert::acme::client_options options() const;
    /// How many requests a path had.
    int count(std::string_view path) const;

    /// Close every connection, as a server that restarts.
    void drop_connections();
    asio::awaitable<void> stop();

    std::vector<seen> requests;
    /// Requests to these paths are never answered.
    std::set<std::string> held;
    bool gives_nonces = true;
    /// Requests to these paths are answered with the first text, and the second for as long as the client reads.
    struct endless {
        std::string first;
        std::string again;
    };
    std::map<std::string, endless, std::less<>> raw;

private:
    std::string directory_members() const;
    asio::awaitable<void> accept();
    asio::awaitable<void> serve(std::unique_ptr<evercert::stream>);
    asio::awaitable<void> serve_requests(std::unique_ptr<evercert::stream>);
    asio::awaitable<void> serve_raw(evercert::stream&);
    asio::awaitable<evercert::response> reply(evercert::request);

    asio::any_io_executor executor_;
    temporary_folder folder_;
    evercert::certificate_ptr certificate_;
    evercert::tls_server_context tls_;
    std::unique_ptr<evercert::listener> listener_;
    evercert::task_group connections_;
    std::map<std::string, std::shared_ptr<answer>, std::less<>> answers_;
    std::set<evercert::stream*> streams_;
    evercert::event never_;
    int nonces_ = 0;
};

evercert::response problem(int status, const std::string& type, const std::string& detail = "because");

/// A client with an account at this CA.
evercert::acme::client client_of(const scripted_ca&);

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// What an awaitable throws; ends the test if it throws nothing of ours.
template <typename T>
asio::awaitable<evercert::error> error_of(asio::awaitable<T> work) {
    auto result = co_await evercert::as_outcome(std::move(work));
    if (!result.thrown)
        throw std::runtime_error{"it did not fail"};
    try {
        std::rethrow_exception(result.thrown);
    } catch (const evercert::error& thrown) {
        co_return thrown;
    }
}

template <typename Test>
asio::awaitable<void> run_and_stop(scripted_ca& ca, Test& test) {
    auto outcome = co_await evercert::as_outcome(test(ca));
    co_await ca.stop();
    outcome.get();
}

/// Some go through tables of hundreds of requests, each over TLS, on machines that do other things as well.
inline constexpr std::chrono::minutes with_ca_limit{5};

/// Run a coroutine that takes the CA.
template <typename Test>
void with_ca(Test test) {
    asio::io_context io;
    scripted_ca ca{io.get_executor()};
    ca.usual();
    run_io(io, run_and_stop(ca, test), with_ca_limit);
}

}  // namespace test
