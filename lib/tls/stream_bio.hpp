#pragma once

#include <cstddef>
#include <system_error>

#include <openssl/bio.h>

#include <evercert/network.hpp>

namespace evercert {

/// A `stream` as OpenSSL's input and output: no buffer between them.
class stream_bio {
public:
    explicit stream_bio(stream& next) noexcept : next_{next} {}

    /// A BIO that works on `*this`, which must outlive it. The reference is the caller's.
    BIO* make();

    /// Before each call of OpenSSL that reads or writes.
    void begin() noexcept;
    /// The same before one that goes on with what the call before has read: whose last read got less than it asked for has no other,
    /// which would find nothing. The answer is for who waits then: the wait looks at the stream anew.
    void go_on() noexcept;

    /// What the stream failed with; `asio::error::eof` at its end.
    const std::error_code& failure() const noexcept { return failure_; }
    /// The last call ended because it had read `input_max`: there may be more, without the stream becoming readable.
    bool exhausted() const noexcept { return exhausted_; }
    /// The last read got less than it asked for.
    bool drained() const noexcept { return drained_; }

    /// What one call may read. OpenSSL goes on as long as there are records without application data in them, and
    /// a peer who sends those as fast as we read would keep the thread. A record has 16 kB.
    static constexpr std::size_t input_max = 256 << 10;

private:
    static int read(BIO*, char*, std::size_t, std::size_t*);
    static int write(BIO*, const char*, std::size_t, std::size_t*);
    static long control(BIO*, int, long, void*);
    static BIO_METHOD* method();

    /// Keeps the first: at the end of input OpenSSL writes an alert, which may fail in another way.
    void fail(const std::error_code& why) noexcept {
        if (!failure_)
            failure_ = why;
    }

    stream& next_;
    std::error_code failure_;
    std::size_t input_ = 0;
    bool exhausted_ = false;
    bool drained_ = false;
};

}  // namespace evercert
