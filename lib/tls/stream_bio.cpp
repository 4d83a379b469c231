#include "tls/stream_bio.hpp"

#include <algorithm>
#include <memory>
#include <new>
#include <utility>

#include <asio/error.hpp>

namespace evercert {

namespace {

stream_bio& self_of(BIO* bio) { return *static_cast<stream_bio*>(BIO_get_data(bio)); }

/// Not 0: SSL_shutdown takes that for sent.
constexpr int not_now = -1;

bool blocked(const io_result& result) {
    return result.error == asio::error::would_block || result.error == asio::error::try_again;
}

}  // namespace

BIO_METHOD* stream_bio::method() {
    static const std::unique_ptr<BIO_METHOD, decltype(&BIO_meth_free)> shared{
        [] {
            BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "evercert stream");
            if (!made)
                throw std::bad_alloc{};
            BIO_meth_set_read_ex(made, read);
            BIO_meth_set_write_ex(made, write);
            BIO_meth_set_ctrl(made, control);
            return made;
        }(),
        BIO_meth_free};
    return shared.get();
}

BIO* stream_bio::make() {
    BIO* bio = BIO_new(method());
    if (!bio)
        throw std::bad_alloc{};
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    return bio;
}

void stream_bio::begin() noexcept {
    drained_ = false;
    go_on();
}

void stream_bio::go_on() noexcept {
    failure_.clear();
    input_ = 0;
    exhausted_ = false;
}

int stream_bio::read(BIO* bio, char* into, std::size_t size, std::size_t* moved) {
    stream_bio& self = self_of(bio);
    BIO_clear_retry_flags(bio);
    *moved = 0;
    if (self.input_ >= input_max) {
        self.exhausted_ = true;
        BIO_set_retry_read(bio);
        return not_now;
    }
    io_result result;
    if (std::exchange(self.drained_, false))
        result.error = asio::error::would_block;
    else
        result = self.next_.try_read({reinterpret_cast<std::byte*>(into), size});
    if (blocked(result)) {
        BIO_set_retry_read(bio);
        return not_now;
    }
    if (result.error) {
        self.fail(result.error);
        return 0;
    }
    *moved = result.size;
    self.input_ += result.size;
    self.drained_ = result.size < size;
    return 1;
}

int stream_bio::write(BIO* bio, const char* from, std::size_t size, std::size_t* moved) {
    stream_bio& self = self_of(bio);
    BIO_clear_retry_flags(bio);
    *moved = 0;
    const io_result result = self.next_.try_write({reinterpret_cast<const std::byte*>(from), size});
    if (blocked(result)) {
        BIO_set_retry_write(bio);
        return not_now;
    }
    if (result.error) {
        self.fail(result.error);
        return 0;
    }
    *moved = result.size;
    return 1;
}

long stream_bio::control(BIO* bio, int command, long, void*) {
    switch (command) {
    case BIO_CTRL_FLUSH: return 1;
    case BIO_CTRL_EOF: return self_of(bio).failure_ == asio::error::eof;
    default: return 0;
    }
}

}  // namespace evercert
