#include "http/server_io.hpp"

#include <algorithm>
#include <array>
#include <system_error>

#include <asio/error.hpp>
#include <asio/this_coro.hpp>

#include <evercert/error.hpp>

#include "base/task_group.hpp"
#include "http/server_limits.hpp"

namespace evercert {

namespace {

pace_limits pace_of(std::chrono::milliseconds stall_max, std::uint32_t rate_min, std::chrono::milliseconds grace) {
    pace_limits limits;
    limits.stall_max = stall_max;
    limits.rate_min = rate_min;
    limits.grace = grace;
    return limits;
}

http1_limits limits_of(const server_options& options) {
    http1_limits limits;
    limits.head_max = options.head_max;
    limits.body_max = options.body_max;
    limits.field_max = options.field_max;
    limits.fields_max = options.fields_max;
    return limits;
}

}  // namespace

http_service::http_service(
    asio::any_io_executor own, const server_options& wanted, std::shared_ptr<clock> clock, logger logger)
    : options{wanted},
      time{std::move(clock)},
      log{std::move(logger)},
      limits{limits_of(options)},
      body_pace{pace_of(options.body_timeout, options.body_rate_min, options.rate_grace)},
      write_pace{pace_of(options.write_timeout, options.write_rate_min, options.rate_grace)},
      watch{std::make_shared<connection_watch>(std::move(own), time, options)} {}

/// The second coroutine, and what the two tell each other.
struct server_io::lookout {
    explicit lookout(const asio::any_io_executor& executor) : running{executor}, came{executor}, taken{executor} {}
    task_group running;
    event came;   ///< input, or its end
    event taken;  ///< input was taken: there is room
};

server_io::server_io(std::unique_ptr<stream> on, std::shared_ptr<const http_service> service)
    : watched_connection{on->get_executor()}, stream_{std::move(on)}, service_{std::move(service)} {}

server_io::~server_io() = default;

// --- deadlines

void server_io::expect_within(phase next, duration limit) {
    phase_ = next;
    set_deadline(std::min(now() + limit, request_deadline_));
}

void server_io::enter_idle() {
    request_deadline_ = steady_time::max();
    expect_within(phase::idle, service_->options.idle_timeout);
}

void server_io::enter_head() {
    if (phase_ != phase::head)
        expect_within(phase::head, service_->options.head_timeout);
}

void server_io::enter_handling() {
    if (request_deadline_ == steady_time::max())
        request_deadline_ = now() + service_->options.request_timeout;
    if (!lookout_)
        return expect_within(phase::handling, service_->watch->interval());
    if (ended_)
        return expect_within(phase::handling, half_closed_grace);
    phase_ = phase::handling;
    set_deadline(request_deadline_);
}

void server_io::enter_lingering() {
    request_deadline_ = steady_time::max();
    expect_within(phase::lingering, linger_timeout);
}

void server_io::drain() {
    draining_ = true;
    if (phase_ == phase::idle && input().empty())
        close(true);
}

void server_io::attend() {
    const auto moment = now();
    if (moment < deadline() || closed_)
        return;
    switch (phase_) {
    case phase::idle: return close(true);
    case phase::writing:
    case phase::lingering: return close(false);
    case phase::head:
    case phase::reading: return interrupt(cut::expired);
    case phase::handling: break;
    }
    if (moment >= request_deadline_)
        return interrupt(cut::expired);
    if (ended_)
        return interrupt(cut::gone);
    set_deadline(request_deadline_);
    start_lookout();
}

/// A coroutine that does not end by it loses its connection at the next look.
void server_io::interrupt(cut why) {
    if (cut_ != cut::none || !own_)
        return close(false);
    cut_ = why;
    set_deadline(now() + linger_timeout);
    own_->interrupt();
}

void server_io::throw_if_asked() const {
    if (own_ && own_->asked())
        throw std::system_error{asio::error::operation_aborted};
}

// --- the lookout

void server_io::start_lookout() {
    if (lookout_)
        return;
    lookout_ = std::make_unique<lookout>(executor());
    lookout_->running.spawn(look_out(std::static_pointer_cast<server_io>(shared_from_this())));
}

asio::awaitable<void> server_io::look_out(std::shared_ptr<server_io> self) {
    for (;;) {
        if (self->input().size() >= input_max) {
            co_await self->lookout_->taken.wait();
            continue;
        }
        const auto came = self->receive();
        if (came == received::nothing) {
            co_await self->stream_->wait_readable();
            continue;
        }
        self->lookout_->came.notify_all();
        if (came == received::some)
            continue;
        if (came == received::broken)
            self->interrupt(cut::gone);
        else if (self->phase_ == phase::handling)
            self->set_deadline(std::min(self->now() + half_closed_grace, self->request_deadline_));
        co_return;
    }
}

asio::awaitable<void> server_io::end_lookout() {
    if (!lookout_)
        co_return;
    lookout_->running.cancel();
    co_await lookout_->running.join();
    lookout_.reset();
    co_await resume();
}

// --- input

void server_io::consume(std::size_t size) noexcept {
    input_at_ += size;
    if (input_at_ == input_.size()) {
        std::string{}.swap(input_);
        input_at_ = 0;
    }
    if (lookout_)
        lookout_->taken.notify_all();
}

std::string server_io::take_input(std::size_t begin, std::size_t end) {
    std::string taken;
    if (input_at_ == 0 && begin == 0 && end == input_.size())
        taken.swap(input_);
    else
        taken = input().substr(begin, end - begin);
    consume(input_.empty() ? 0 : end);
    return taken;
}

server_io::received server_io::receive() {
    // On the stack of a function that does not suspend: a connection that waits has no buffer.
    std::array<char, input_max> buffer;
    std::size_t size = 0;
    const auto result = receive(buffer, size);
    if (size > 0) {
        input_.erase(0, std::exchange(input_at_, 0));
        input_.append(buffer.data(), size);
    }
    return result;
}

server_io::received server_io::receive(std::span<char> into, std::size_t& size) {
    if (ended_)
        return received::end;
    const auto result = stream_->try_read(std::as_writable_bytes(into));
    size = result.size;
    drained_ = size > 0 && size < into.size();
    if (!result.error)
        return received::some;
    if (result.error == asio::error::would_block)
        return received::nothing;
    if (result.error != asio::error::eof)
        return received::broken;
    ended_ = true;
    return received::end;
}

asio::awaitable<void> server_io::wait_input() {
    if (lookout_)
        return lookout_->came.wait();
    return stream_->wait_readable();
}

asio::awaitable<bool> server_io::wait_head() {
    drained_ = false;
    std::exception_ptr thrown;
    try {
        co_await stream_->wait_readable();
    } catch (...) {
        thrown = std::current_exception();
    }
    if (thrown && cut_ != cut::expired)
        std::rethrow_exception(thrown);
    co_await resume();
    throw_if_asked();
    co_return !thrown;
}

asio::awaitable<bool> server_io::wait_body(pace& keeps) {
    const auto begin = now();
    expect_within(phase::reading, std::max(keeps.patience(service_->body_pace), duration{}));
    std::exception_ptr thrown;
    try {
        co_await wait_input();
    } catch (...) {
        thrown = std::current_exception();
    }
    keeps.waited += now() - begin;
    if (thrown && cut_ != cut::expired)
        std::rethrow_exception(thrown);
    if (thrown) {
        co_await resume();
        throw_if_asked();
    }
    enter_handling();
    co_return !thrown;
}

// --- output

bool server_io::write_now(std::string_view& data) noexcept {
    while (!data.empty()) {
        const auto result = stream_->try_write(std::as_bytes(std::span{data}));
        data.remove_prefix(result.size);
        if (result.error)
            return result.error == asio::error::would_block;
    }
    return true;
}

asio::awaitable<void> server_io::write_rest(std::string_view data, pace& keeps) {
    for (;;) {
        const auto before = data.size();
        const bool stands = write_now(data);
        keeps.bytes += before - data.size();
        if (!stands)
            throw error{errc::connection_closed, "the client has closed the connection"};
        if (data.empty())
            break;
        const auto begin = now();
        expect_within(phase::writing, std::max(keeps.patience(service_->write_pace), duration{}));
        co_await stream_->wait_writable();
        keeps.waited += now() - begin;
    }
    enter_handling();
}

// --- the end

asio::awaitable<void> server_io::linger() {
    stream_->shutdown_write();
    enter_lingering();
    consume(input().size());
    for (std::size_t lingered = 0; lingered <= linger_max;) {
        const auto came = discard(lingered);
        if (came == received::end || came == received::broken)
            co_return;
        if (came == received::nothing)
            co_await stream_->wait_readable();
    }
    co_await service_->time->sleep_for(linger_pause);
}

server_io::received server_io::discard(std::size_t& counted) {
    std::array<char, input_max> buffer;
    std::size_t size = 0;
    const auto came = receive(buffer, size);
    counted += size;
    return came;
}

void server_io::tell_access(const access_record& record) const noexcept {
    try {
        service_->options.access_log(record);
    } catch (...) {
        service_->log(log_level::error, "server_options::access_log threw");
    }
}

void server_io::close(bool cleanly) noexcept {
    if (std::exchange(closed_, true))
        return;
    set_deadline(steady_time::max());
    if (cleanly)
        stream_->shutdown_write();
    stream_->close();
    if (lookout_)
        lookout_->came.notify_all();
}

}  // namespace evercert
