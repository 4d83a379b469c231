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
        message question{"certificate", std::move(hello.server_name), "acme-tls/1"};
        const auto said = co_await call(std::move(question));
        co_return read_certificate(said);
    }
    if (hello.server_name.empty())
        throw error{errc::no_server_name, "the client did not say which name it wants"};
    const identifier name{hello.server_name};  // refuses what is none, before the leader hears of it
    const auto at = known_.find(name);
    const auto now = clock_->wall();
    if (at == known_.end() || at->second.certificate->not_after() <= now) {
        auto waited_for = join(name);
        co_return co_await wait_for(std::move(waited_for));
    }
    const auto certificate = at->second.certificate;
    if (at->second.ask_again <= now && flights_.size() < names_waited_for_max)
        join(name);  // in the background: the client gets what is there
    co_return certificate;
}

void remote_source::handshake_ended(const certificate_ptr& used, evercert::handshake_result result) noexcept try {
    const auto at = untried_.find(used);
    if (at == untried_.end() || result == evercert::handshake_result::failed)
        return;
    const auto name = at->second.name;
    if (result == evercert::handshake_result::established)
        untried_.erase(at);
    else if (++at->second.rejections > rejections_max)
        return;
    asio::co_spawn(executor_, report(name, used->serial(), result), evercert::rethrow);
} catch (const std::bad_alloc&) {
    // A report less.
}

asio::awaitable<void> remote_source::report(identifier name, std::string serial, evercert::handshake_result result) {
    const bool taken = result == evercert::handshake_result::established;
    message statement{"ended", name.value(), std::move(serial), taken ? "established" : "certificate_rejected"};
    try {
        const auto said = co_await call(std::move(statement));
        expect(said, "noted", 1);
    } catch (const std::exception& e) {
        std::cerr << "certificate_rpc: the leader does not hear of a handshake: " << e.what() << '\n';
        co_return;
    }
    if (taken)
        co_return;
    std::cerr << "certificate_rpc: a client rejected the certificate for " << name.value() << "; the leader knows\n";
    // It may take the one before back.
    if (const auto at = known_.find(name); at != known_.end())
        at->second.ask_again = clock_->wall();
}

asio::awaitable<evercert::response> remote_source::validation(std::string host, std::string target) {
    message question{"validation", std::move(host), std::move(target)};
    const auto said = co_await call(std::move(question));
    expect(said, "validated");
    int status = 500;
    std::from_chars(said[1].data(), said[1].data() + said[1].size(), status);
    co_return evercert::response{status, said[2]};
}

// One question a name, however many clients ask for it meanwhile.
std::shared_ptr<remote_source::flight> remote_source::join(const identifier& name) {
    if (const auto at = flights_.find(name); at != flights_.end())
        return at->second;
    if (flights_.size() >= names_waited_for_max)
        throw error{errc::too_many_waiters, "too many names are waited for; try again later"};
    const auto made = std::make_shared<flight>(executor_);
    flights_.emplace(name, made);
    asio::co_spawn(executor_, fly(name, made), evercert::rethrow);
    return made;
}

asio::awaitable<certificate_ptr> remote_source::wait_for(std::shared_ptr<flight> joined) {
    if (joined->waiters >= waiters_per_name_max)
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

asio::awaitable<void> remote_source::fly(identifier name, std::shared_ptr<flight> self) {
    try {
        self->certificate = co_await fetch(name);
        keep(name, self->certificate);
    } catch (const std::exception& e) {
        std::cerr << "certificate_rpc: no certificate for " << name.value() << ": " << e.what() << '\n';
        self->thrown = std::current_exception();
        ask_later(name);
    }
    self->done = true;
    flights_.erase(name);
    self->landed.cancel();
}

asio::awaitable<certificate_ptr> remote_source::fetch(identifier name) {
    message question{"certificate", name.value()};
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

void remote_source::keep(const identifier& name, const certificate_ptr& given) {
    const auto now = clock_->wall();
    const auto renewal = given->not_before() + (given->not_after() - given->not_before()) / 3 * 2;
    const auto ask_again = renewal > now ? std::min(renewal, now + ask_again_at_least) : now + ask_again_soon;
    const auto before = known_.find(name);
    if (before != known_.end() && before->second.certificate->serial() == given->serial()) {
        before->second.ask_again = ask_again;
        return;
    }
    if (before != known_.end())
        forget(before);
    else if (known_.size() >= certificates_max)
        forget(known_.begin());  // asked for again when a client wants it
    known_.emplace(name, entry{given, ask_again});
    untried_.emplace(given, untried{name});
}

void remote_source::forget(std::map<identifier, entry>::iterator at) {
    untried_.erase(at->second.certificate);
    known_.erase(at);
}

void remote_source::ask_later(const identifier& name) {
    if (const auto at = known_.find(name); at != known_.end())
        at->second.ask_again = clock_->wall() + ask_again_soon;
}
