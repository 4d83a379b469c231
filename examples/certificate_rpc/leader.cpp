#include "leader.hpp"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <sys/stat.h>
#include <utility>

#include <asio/co_spawn.hpp>
#include <asio/redirect_error.hpp>

#include <evercert/error.hpp>
#include <evercert/http.hpp>
#include <evercert/rethrow.hpp>

#include "support.hpp"

namespace {

// A follower asks as soon as it has connected, and takes its answer.
constexpr std::chrono::seconds follower_patience{10};
// A follower opens one for each name that it waits for.
constexpr std::size_t connections_max = 1'000;

bool somebody_answers(const std::string& path) {
    asio::io_context io;
    local::socket probe{io};
    std::error_code failed;
    probe.connect(local::endpoint{path}, failed);
    return !failed;
}

local::acceptor listen_at(asio::io_context& io, const std::string& path) {
    if (std::filesystem::is_socket(path)) {
        if (somebody_answers(path))
            throw std::runtime_error{"another leader answers at " + path};
        std::filesystem::remove(path);  // left by one that was killed
    }
    local::acceptor acceptor{io, local::endpoint{path}.protocol()};
    // The socket's mode decides who may connect. It is made by bind(), so there is no moment at which it is open to all.
    const auto before = ::umask(0177);
    std::error_code failed;
    acceptor.bind(local::endpoint{path}, failed);
    ::umask(before);
    if (failed)
        throw std::runtime_error{"cannot listen at " + path + ": " + failed.message()};
    acceptor.listen();
    return acceptor;
}

// What a client's alert depends on; see `certificate_source`.
std::string reason_of(const std::error_code& code) {
    using evercert::errc;
    if (code == errc::name_not_allowed)
        return "name_not_allowed";
    if (code == errc::invalid_identifier)
        return "invalid_identifier";
    if (code == errc::no_server_name)
        return "no_server_name";
    if (code == errc::tls_failed)
        return "tls_failed";
    return code == errc::no_challenge ? "no_challenge" : "other";
}

}  // namespace

leader::leader(asio::io_context& io, evercert::manager& manager, const std::string& path)
    : io_{io}, manager_{manager}, path_{path}, acceptor_{listen_at(io, path)} {}

leader::~leader() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
}

asio::awaitable<void> leader::serve() {
    while (acceptor_.is_open()) {
        auto follower = std::make_shared<local::socket>(io_);
        std::error_code failed;
        co_await acceptor_.async_accept(*follower, asio::redirect_error(asio::use_awaitable, failed));
        if (!failed && open_.size() < connections_max) {
            asio::co_spawn(io_, converse(std::move(follower)), evercert::rethrow);
        } else if (failed && acceptor_.is_open()) {
            // Out of descriptors, most likely: the connection is still there, and asking again at once would spin.
            asio::steady_timer pause{io_, std::chrono::milliseconds{100}};
            co_await pause.async_wait(asio::use_awaitable);
        }
    }
}

void leader::stop() {
    acceptor_.close();
    for (const auto& follower : open_) {
        std::error_code ignored;
        follower->close(ignored);
    }
}

asio::awaitable<void> leader::converse(local_ptr follower) {
    open_.insert(follower);
    try {
        message question, said;
        {
            const deadline asking{follower, follower_patience};
            question = co_await receive(follower);
        }
        // Takes as long as an order does. The manager bounds that, and how many wait.
        said = co_await answer(std::move(question));
        const deadline taking{follower, follower_patience};
        co_await send(follower, std::move(said));
    } catch (const std::exception& e) {
        std::cerr << "certificate_rpc: a follower went: " << e.what() << '\n';
    }
    open_.erase(follower);
}

asio::awaitable<message> leader::answer(message question) {
    message said;
    try {
        if (question.size() >= 3 && question[0] == "certificate")
            said = co_await give_certificate(std::move(question));
        else if (question.size() == 3 && question[0] == "validation")
            said = validate(question);
        else if (question.size() == 4 && question[0] == "ended")
            said = note_end(question);
        else
            said = {"refused", "other", "the leader does not know this question"};
    } catch (const std::system_error& e) {
        said = {"refused", reason_of(e.code()), e.what()};
    } catch (const std::runtime_error& e) {
        said = {"refused", "other", e.what()};
    }
    co_return said;
}

// The follower's ClientHello as if it had come here: the manager admits the name or not, chooses among the certificates that
// the client can use, obtains one if there is none, and has the challenge certificate if a CA is asking for that (ALPN
// "acme-tls/1").
asio::awaitable<message> leader::give_certificate(message question) {
    std::vector<std::string> protocols{question.begin() + 3, question.end()};
    evercert::client_hello hello{std::move(question[1]), std::move(protocols)};
    hello.support = read_support(question[2]);
    const bool is_challenge = hello.is_challenge();
    const auto given = co_await manager_.get_certificate(std::move(hello));
    if (!is_challenge) {
        if (given_.size() >= given_max)
            given_.erase(given_.begin());
        given_.insert_or_assign(given->serial(), given);
    }
    message said{"certificate", given->chain_pem(), given->key().to_pem()};
    co_return said;
}

// A CA asks any of the machines that the name resolves to, and only this one knows the answer (http-01).
message leader::validate(const message& question) const {
    evercert::request asked{"GET", question[2]};
    asked.host = question[1];
    const auto answered = manager_.redirect_http(asked);
    return {"validated", std::to_string(answered.status), answered.body};
}

// Clients meet certificates at the followers. The manager wants to know whether they take a new one.
message leader::note_end(const message& question) {
    const auto taken = question[3] == "established";
    if (const auto used = find(question[1], question[2]))
        manager_.handshake_ended(
            used, taken ? evercert::handshake_result::established : evercert::handshake_result::certificate_rejected);
    if (taken)
        given_.erase(question[2]);
    return {"noted"};
}

// Of a name with several it is the manager's first choice that it finds; the leader before this one may have given it.
evercert::certificate_ptr leader::find(const std::string& name, const std::string& serial) const {
    if (const auto at = given_.find(serial); at != given_.end())
        return at->second;
    auto current = manager_.find(evercert::identifier{name});
    return current && current->serial() == serial ? current : nullptr;
}
