#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <system_error>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/ip/address.hpp>

/// Include <evercert/network.hpp>, which has the definitions of the templates too.
namespace evercert {

/// A TCP address and port.
struct endpoint {
    asio::ip::address address = {};
    std::uint16_t port = 0;
    friend bool operator==(const endpoint&, const endpoint&) = default;
};

/// "192.0.2.1:443", "[2001:db8::1]:443".
std::string to_string(const endpoint&);

/// What a non-blocking read or write came to.
struct io_result {
    std::size_t size = 0;        ///< bytes moved
    std::error_code error = {};  ///< `asio::error::would_block`, `asio::error::eof`, or what happened
};

enum class readiness : unsigned char { readable, writable };

/// Who waits for a stream to become ready, given to `stream::start_wait` until the wait ends. Made by the templates of
/// `stream`; a stream of one's own passes it on, and never makes one.
class wait_handler {
public:
    struct destroyer {
        void operator()(wait_handler* unneeded) const noexcept { unneeded->destroy(); }
    };
    using pointer = std::unique_ptr<wait_handler, destroyer>;

    /// The wait ended, on the stream's executor and never inside `start_wait`: with `operation_aborted` if it was
    /// cancelled by `slot()` or the stream was closed. What the handler of a user throws comes out of it.
    static void end(pointer waiting, const std::error_code& why) {
        auto& self = *waiting;
        self.ended(std::move(waiting), why);
    }
    /// By which this wait alone is cancelled; may be unconnected.
    asio::cancellation_slot slot() const noexcept { return slot_; }

    wait_handler(const wait_handler&) = delete;
    wait_handler& operator=(const wait_handler&) = delete;

protected:
    explicit wait_handler(asio::cancellation_slot slot) noexcept : slot_{slot} {}
    ~wait_handler() = default;

private:
    virtual void ended(pointer self, std::error_code why) = 0;
    virtual void destroy() noexcept = 0;

    asio::cancellation_slot slot_;
};

/// A connected byte stream, driven by readiness: try, and wait where the answer is `would_block`.
/// That shape lets OpenSSL work on the stream itself, without a second set of buffers.
///
/// It is an AsyncReadStream and AsyncWriteStream of asio too: `asio::async_read`, `async_read_until`, `async_write` and
/// what others wrote for such streams work on it, with any completion token.
///
/// Thread-bound to its executor. At most one wait for each readiness at a time, and so one read and one write. A wait, a
/// read or a write ends with `asio::error::operation_aborted` when it is cancelled (any type of cancellation) or the
/// stream is closed; a read that was cancelled has lost nothing. The stream must outlive its reads and writes,
/// until they have ended; `close()` ends them.
class stream {
public:
    using executor_type = asio::any_io_executor;

    virtual ~stream() = default;

    /// Never block, never throw. A size of 0 with no error is not returned for a non-empty buffer.
    virtual io_result try_read(std::span<std::byte>) noexcept = 0;
    virtual io_result try_write(std::span<const std::byte>) noexcept = 0;
    /// Begin a wait; what is there already ends it, too. What it costs is for as long as the wait lasts, and little: an idle connection is one that waits to
    /// be readable. The handler is owned by something that the executor's context destroys with itself, as asio's own
    /// operations are: it may own the stream.
    virtual void start_wait(readiness, wait_handler::pointer) = 0;

    /// `void(std::error_code)`, when a try may succeed; the stream may be gone when it ends.
    template <typename CompletionToken>
    auto async_wait(readiness, CompletionToken&&);
    asio::awaitable<void> wait_readable();
    asio::awaitable<void> wait_writable();

    /// `void(std::error_code, std::size_t)`: at least one byte into the first buffer that is not empty, or 0 at once if all
    /// are. `asio::error::eof` at the end.
    template <typename MutableBufferSequence, typename CompletionToken>
    auto async_read_some(const MutableBufferSequence&, CompletionToken&&);
    /// `void(std::error_code, std::size_t)`: the bytes that were written, which are at least one of a sequence that is not
    /// empty. The buffers must stay as they are until then. Small buffers are written together.
    template <typename ConstBufferSequence, typename CompletionToken>
    auto async_write_some(const ConstBufferSequence&, CompletionToken&&);

    /// Tell the peer that nothing more will be written. Ignored if the stream is closed.
    virtual void shutdown_write() noexcept = 0;
    /// End it now: waits in progress end with `operation_aborted`, tries answer `bad_descriptor`.
    virtual void close() noexcept = 0;

    virtual asio::any_io_executor get_executor() const = 0;
    virtual endpoint local_endpoint() const = 0;
    virtual endpoint remote_endpoint() const = 0;
};

}  // namespace evercert
