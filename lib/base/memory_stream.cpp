#include "base/memory_stream.hpp"

#include <algorithm>
#include <new>
#include <vector>

#include <asio/error.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

#include "base/event.hpp"

namespace evercert {
namespace {

/// One direction: bytes that have arrived, and what each side has said about the end. What is under way does not keep it
/// alive: with both streams gone nobody reads it.
class pipe : public std::enable_shared_from_this<pipe> {
public:
    pipe(asio::any_io_executor reader, asio::any_io_executor writer, std::size_t capacity, carrier how)
        : readable{std::move(reader)},
          writable{std::move(writer)},
          capacity_{std::max<std::size_t>(capacity, 1)},
          carrier_{std::move(how)} {}

    bool writer_ended = false;  // shutdown_write() or close()
    bool ended = false;         // and that has arrived
    bool writer_reset = false;  // closed with bytes unread, as TCP's RST
    bool reader_closed = false;
    bool broken = false;
    event readable;
    event writable;

    std::size_t size() const noexcept { return bytes_.size() - begin_; }
    std::size_t space() const noexcept { return capacity_ - size() - on_the_way_; }
    bool wakes_reader() const noexcept { return size() > 0 || ended || reader_closed || broken; }
    bool wakes_writer() const noexcept { return space() > 0 || writer_ended || reader_closed || broken; }

    void push(std::span<const std::byte> data) {
        if (!carrier_)
            return append(data);
        on_the_way_ += data.size();
        carrier_([weak = weak_from_this(), content = std::vector<std::byte>(data.begin(), data.end())] {
            if (const auto self = weak.lock()) {
                self->on_the_way_ -= content.size();
                self->append(content);
            }
        });
    }

    void end(bool reset) {
        writer_ended = true;
        auto arrive = [weak = weak_from_this(), reset] {
            if (const auto self = weak.lock()) {
                self->ended = true;
                self->writer_reset = reset;
                self->wake_both();
            }
        };
        if (carrier_)
            carrier_(std::move(arrive));
        else
            arrive();
    }

    void break_down() {
        broken = true;
        bytes_.clear();
        begin_ = 0;
        wake_both();
    }

    std::size_t pop(std::span<std::byte> into) noexcept {
        auto count = std::min(into.size(), size());
        std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(begin_), count, into.begin());
        begin_ += count;
        if (begin_ == bytes_.size()) {
            bytes_.clear();
            begin_ = 0;
        }
        writable.notify_all();
        return count;
    }

    void wake_both() {
        readable.notify_all();
        writable.notify_all();
    }

private:
    void append(std::span<const std::byte> data) {
        if (broken)
            return;
        if (begin_ > 0 && bytes_.size() + data.size() > bytes_.capacity()) {
            bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(begin_));
            begin_ = 0;
        }
        bytes_.insert(bytes_.end(), data.begin(), data.end());
        readable.notify_all();
    }

    std::vector<std::byte> bytes_;
    std::size_t begin_ = 0;
    std::size_t on_the_way_ = 0;
    std::size_t capacity_;
    carrier carrier_;
};

io_result failed(const std::error_code& why) noexcept {
    io_result result;
    result.error = why;
    return result;
}

/// Has a share of the pipes, since whoever else has the stream may destroy it meanwhile. The context owns it, with the timer
/// that it waits for.
class waiting {
public:
    waiting(readiness what, std::shared_ptr<pipe> in, std::shared_ptr<pipe> out, wait_handler::pointer handler)
        : what_{what}, in_{std::move(in)}, out_{std::move(out)}, handler_{std::move(handler)} {}

    bool is_over() const noexcept {
        return cancelled_ || (what_ == readiness::readable ? in_->wakes_reader() : out_->wakes_writer());
    }
    void go_on(const std::shared_ptr<waiting>& self) {
        if (!is_over())
            return changed().async_wait([self](const std::error_code&) { self->go_on(self); });
        std::error_code why;
        if (cancelled_ || in_->reader_closed)
            why = asio::error::operation_aborted;
        wait_handler::end(std::move(handler_), why);
    }
    void cancel() {
        cancelled_ = true;
        changed().notify_all();
    }

private:
    event& changed() noexcept { return what_ == readiness::readable ? in_->readable : out_->writable; }

    readiness what_;
    std::shared_ptr<pipe> in_;
    std::shared_ptr<pipe> out_;
    wait_handler::pointer handler_;
    bool cancelled_ = false;
};

class memory_stream final : public stream {
public:
    memory_stream(
        asio::any_io_executor executor, std::shared_ptr<pipe> in, std::shared_ptr<pipe> out,
        const memory_stream_options& options, bool is_first)
        : executor_{std::move(executor)},
          in_{std::move(in)},
          out_{std::move(out)},
          segment_{std::max<std::size_t>(options.segment, 1)},
          local_{is_first ? options.first : options.second},
          remote_{is_first ? options.second : options.first} {}
    ~memory_stream() override { close(); }

    io_result try_read(std::span<std::byte>) noexcept override;
    io_result try_write(std::span<const std::byte>) noexcept override;
    void start_wait(readiness, wait_handler::pointer) override;
    void shutdown_write() noexcept override;
    void close() noexcept override;
    asio::any_io_executor get_executor() const override { return executor_; }
    endpoint local_endpoint() const override { return local_; }
    endpoint remote_endpoint() const override { return remote_; }

private:
    asio::any_io_executor executor_;
    std::shared_ptr<pipe> in_;
    std::shared_ptr<pipe> out_;
    std::size_t segment_;
    endpoint local_;
    endpoint remote_;
};

io_result memory_stream::try_read(std::span<std::byte> into) noexcept {
    if (in_->reader_closed)
        return failed(asio::error::bad_descriptor);
    if (into.empty())
        return {};
    if (in_->size() > 0) {
        io_result result;
        result.size = in_->pop(into.first(std::min(into.size(), segment_)));
        return result;
    }
    if (in_->writer_reset || in_->broken)
        return failed(asio::error::connection_reset);
    return failed(in_->ended ? std::error_code{asio::error::eof} : asio::error::would_block);
}

io_result memory_stream::try_write(std::span<const std::byte> data) noexcept {
    if (in_->reader_closed)
        return failed(asio::error::bad_descriptor);
    if (out_->writer_ended)
        return failed(asio::error::broken_pipe);
    if (out_->reader_closed || out_->broken)
        return failed(asio::error::connection_reset);
    io_result result;
    result.size = std::min(data.size(), out_->space());
    if (result.size < 1)
        return data.empty() ? result : failed(asio::error::would_block);
    try {
        out_->push(data.first(result.size));
    } catch (const std::bad_alloc&) {
        return failed(asio::error::no_memory);
    }
    return result;
}

void memory_stream::start_wait(readiness what, wait_handler::pointer handler) {
    const auto slot = handler->slot();
    const auto begun = std::make_shared<waiting>(what, in_, out_, std::move(handler));
    if (slot.is_connected())
        asio::cancellation_slot{slot}.assign([weak = std::weak_ptr{begun}](asio::cancellation_type) {
            if (const auto there = weak.lock())
                there->cancel();
        });
    if (begun->is_over())
        asio::post(executor_, [begun] { begun->go_on(begun); });
    else
        begun->go_on(begun);
}

void memory_stream::shutdown_write() noexcept {
    if (!out_->writer_ended)
        out_->end(false);
}

void memory_stream::close() noexcept {
    if (in_->reader_closed)
        return;
    in_->reader_closed = true;
    in_->wake_both();
    out_->end(in_->size() > 0);
}

}  // namespace

memory_connection connect_in_memory(
    asio::any_io_executor first, asio::any_io_executor second, const memory_stream_options& options) {
    auto to_second = std::make_shared<pipe>(second, first, options.capacity, options.to_second);
    auto to_first = std::make_shared<pipe>(first, second, options.capacity, options.to_first);
    return {
        std::make_unique<memory_stream>(first, to_first, to_second, options, true),
        std::make_unique<memory_stream>(second, to_second, to_first, options, false),
        [one = std::weak_ptr{to_second}, other = std::weak_ptr{to_first}] {
            for (const auto& each : {one.lock(), other.lock()})
                if (each)
                    each->break_down();
        }};
}

std::pair<std::unique_ptr<stream>, std::unique_ptr<stream>> memory_stream_pair(
    asio::any_io_executor first, asio::any_io_executor second, const memory_stream_options& options) {
    auto made = connect_in_memory(std::move(first), std::move(second), options);
    return {std::move(made.first), std::move(made.second)};
}

std::pair<std::unique_ptr<stream>, std::unique_ptr<stream>> memory_stream_pair(
    asio::any_io_executor executor, std::size_t capacity, std::size_t segment) {
    memory_stream_options options;
    options.capacity = capacity;
    options.segment = segment;
    return memory_stream_pair(executor, executor, options);
}

}  // namespace evercert
