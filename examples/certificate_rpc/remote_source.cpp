#include "remote_source.hpp"

#include <algorithm>
#include <charconv>
#include <iostream>
#include <new>
#include <utility>

#include <asio/co_spawn.hpp>
#include <asio/redirect_error.hpp>
#include <asio/this_coro.hpp>

#include <evercert/error.hpp>
#include <evercert/key.hpp>
#include <evercert/rethrow.hpp>

#include "support.hpp"

using evercert::certificate_ptr;
using evercert::errc;
using evercert::error;
using evercert::identifier;

namespace {

// The leader's refusals that a client hears of by an alert of its own; any other is `internal_error`.
[[noreturn]] void throw_refusal(const message& said) {
    const auto& reason = said.at(1);
    const auto code = reason == "name_not_allowed" ? errc::name_not_allowed
        : reason == "invalid_identifier"           ? errc::invalid_identifier
        : reason == "no_server_name"               ? errc::no_server_name
        : reason == "no_challenge"                 ? errc::no_challenge
        : reason == "tls_failed"                   ? errc::tls_failed
                                                   : errc::connection_closed;
    throw error{code, "the leader refuses: " + said.at(2)};
}

const message& expect(const message& said, const char* kind, std::size_t size = 3) {
    if (said.size() == 3 && said[0] == "refused")
        throw_refusal(said);
    if (said.size() != size || said[0] != kind)
        throw error{errc::connection_closed, "the leader's answer makes no sense: do both run the same version?"};
    return said;
}

certificate_ptr read_certificate(const message& said) {
    expect(said, "certificate");
    return std::make_shared<const evercert::certificate>(said[1], evercert::private_key::from_pem(said[2]));
}

}  // namespace

asio::awaitable<certificate_ptr> remote_source::get_certificate(evercert::client_hello hello) {
    if (hello.is_challenge()) {
        // A CA validates, and came to this machine: the leader has the answer, for this moment alone.
        message question{"certificate", std::move(hello.server_name), write_support(hello.support), "acme-tls/1"};
        const auto said = co_await call(std::move(question));
        co_return read_certificate(said);
    }
    if (hello.server_name.empty())
        throw error{errc::no_server_name, "the client did not say which name it wants"};
    // Refuses what is no name, before the leader hears of it.
    const wanted_certificate wanted{identifier{hello.server_name}, usable_keys(hello.support)};
    const auto at = known_.find(wanted);
    const auto now = clock_->wall();
    if (at == known_.end() || at->second.certificate->not_after() <= now) {
        auto waited_for = join(wanted, hello.support);
        co_return co_await wait_for(std::move(waited_for));
    }
    const auto certificate = at->second.certificate;
    if (at->second.ask_again <= now && flights_.size() < flights_max)
        join(wanted, hello.support);  // in the background: the client gets what is there
    co_return certificate;
}

void remote_source::handshake_ended(const certificate_ptr& used, evercert::handshake_result result) noexcept try {
    const auto at = untried_.find(used);
    if (at == untried_.end() || result == evercert::handshake_result::failed)
        return;
    const auto as = at->second.as;
    if (result == evercert::handshake_result::established)
        untried_.erase(at);
    else if (++at->second.rejections > rejections_max)
        return;
    asio::co_spawn(executor_, report(as, used->serial(), result), evercert::rethrow);
} catch (const std::bad_alloc&) {
    // A report less.
}

asio::awaitable<void> remote_source::report(
    wanted_certificate as, std::string serial, evercert::handshake_result result) {
    const bool taken = result == evercert::handshake_result::established;
    message statement{"ended", as.name.value(), std::move(serial), taken ? "established" : "certificate_rejected"};
    try {
        const auto said = co_await call(std::move(statement));
        expect(said, "noted", 1);
    } catch (const std::exception& e) {
        std::cerr << "certificate_rpc: the leader does not hear of a handshake: " << e.what() << '\n';
        co_return;
    }
    if (taken)
        co_return;
    std::cerr << "certificate_rpc: a client rejected the certificate for " << as.name.value() << "; the leader knows\n";
    // It may take the one before back.
    ask_at(as, clock_->wall());
}

asio::awaitable<evercert::response> remote_source::validation(std::string host, std::string target) {
    message question{"validation", std::move(host), std::move(target)};
    const auto said = co_await call(std::move(question));
    expect(said, "validated");
    int status = 500;
    std::from_chars(said[1].data(), said[1].data() + said[1].size(), status);
    co_return evercert::response{status, said[2]};
}

// One question, however many clients wait for its answer.
std::shared_ptr<remote_source::flight> remote_source::join(
    const wanted_certificate& wanted, const evercert::client_support& client) {
    if (const auto at = flights_.find(wanted); at != flights_.end())
        return at->second;
    if (flights_.size() >= flights_max)
        throw error{errc::too_many_waiters, "too many names are waited for; try again later"};
    const auto made = std::make_shared<flight>(executor_);
    flights_.emplace(wanted, made);
    asio::co_spawn(executor_, fly(wanted, client, made), evercert::rethrow);
    return made;
}

asio::awaitable<certificate_ptr> remote_source::wait_for(std::shared_ptr<flight> joined) {
    if (joined->waiters >= waiters_per_flight_max)
        throw error{errc::too_many_waiters, "too many clients wait for this name; try again later"};
    ++joined->waiters;
    while (!joined->done) {
        std::error_code woken;
        co_await joined->landed.async_wait(asio::redirect_error(asio::use_awaitable, woken));
        const auto state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none)
            break;
    }
    --joined->waiters;
    if (!joined->done)
        throw std::system_error{asio::error::operation_aborted};
    if (joined->thrown)
        std::rethrow_exception(joined->thrown);
    co_return joined->certificate;
}

asio::awaitable<void> remote_source::fly(
    wanted_certificate wanted, evercert::client_support client, std::shared_ptr<flight> self) {
    try {
        self->certificate = co_await fetch(wanted.name, client);
        keep(wanted, self->certificate);
    } catch (const std::exception& e) {
        std::cerr << "certificate_rpc: no certificate for " << wanted.name.value() << ": " << e.what() << '\n';
        self->thrown = std::current_exception();
        ask_at(wanted, clock_->wall() + ask_again_soon);
    }
    self->done = true;
    flights_.erase(wanted);
    self->landed.cancel();
}

asio::awaitable<certificate_ptr> remote_source::fetch(identifier name, evercert::client_support client) {
    message question{"certificate", name.value(), write_support(client)};
    const auto said = co_await call(std::move(question));
    auto given = read_certificate(said);
    const std::vector<identifier> names{name};
    evercert::verify_servable(*given, names, clock_->wall());
    co_return given;
}

asio::awaitable<message> remote_source::call(message question) {
    const auto socket = std::make_shared<local::socket>(executor_);
    const deadline limit{socket, leader_patience};
    message said;
    std::string broken;
    try {
        co_await socket->async_connect(local::endpoint{path_}, asio::use_awaitable);
        co_await send(socket, std::move(question));
        said = co_await receive(socket);
    } catch (const std::exception& e) {
        broken = e.what();
    }
    if (limit.is_over())
        throw error{errc::timed_out, "the leader at " + path_ + " takes too long"};
    if (!broken.empty())
        throw error{errc::connect_failed, "the leader at " + path_ + " does not answer: " + broken};
    co_return said;
}

void remote_source::keep(const wanted_certificate& as, const certificate_ptr& given) {
    const auto now = clock_->wall();
    const auto renewal = given->not_before() + (given->not_after() - given->not_before()) / 3 * 2;
    const auto ask_again = renewal > now ? std::min(renewal, now + ask_again_at_least) : now + ask_again_soon;
    const auto before = known_.find(as);
    if (before != known_.end() && before->second.certificate->serial() == given->serial()) {
        before->second.ask_again = ask_again;
        return;
    }
    if (before != known_.end())
        forget(before);
    else if (known_.size() >= certificates_max)
        forget(known_.begin());  // asked for again when a client wants it
    known_.emplace(as, entry{given, ask_again});
    untried_.emplace(given, untried{as});
}

void remote_source::forget(std::map<wanted_certificate, entry>::iterator at) {
    untried_.erase(at->second.certificate);
    known_.erase(at);
}

void remote_source::ask_at(const wanted_certificate& which, evercert::wall_time time) {
    if (const auto at = known_.find(which); at != known_.end())
        at->second.ask_again = time;
}
