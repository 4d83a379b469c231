#include <algorithm>

#include <fmt/format.h>

#include <evercert/error.hpp>
#include <evercert/http_body.hpp>

namespace evercert {

namespace {

// What is asked for at once: as much as has come already, for a client that announces much may send nothing, or a byte a minute.
constexpr std::size_t piece_min = 4 << 10;
constexpr std::size_t piece_max = 64 << 10;

}  // namespace

asio::awaitable<std::string> request_body::text() { return text(from_ ? from_->text_max() : std::string{}.max_size()); }

asio::awaitable<std::string> request_body::text(std::size_t size_max) {
    if (!from_) {
        auto rest = whole_.substr(read_);
        read_ = whole_.size();
        if (rest.size() > size_max)
            throw error{errc::body_too_large, fmt::format("the body is longer than {} bytes", size_max)};
        co_return rest;
    }
    const auto from = from_;
    const auto announced = from->size();
    if (announced && *announced > size_max)
        from->refuse_size(size_max);
    std::string content;
    for (;;) {
        // One byte more than the limit shows that there is more.
        const auto room = size_max - content.size();
        const auto begin = content.size();
        const auto piece = std::clamp(begin, piece_min, piece_max);
        const auto ask = announced ? std::min<std::uint64_t>(piece - 1, *announced - begin) + 1 : piece;
        content.resize(begin + (ask > room ? room + 1 : ask));
        const auto size = co_await from->read_some(std::span{content}.subspan(begin));
        content.resize(begin + size);
        if (size == 0)
            co_return content;
        if (content.size() > size_max)
            from->refuse_size(size_max);
    }
}

asio::awaitable<std::size_t> request_body::read_some(std::span<char> into) {
    if (from_)
        co_return co_await from_->read_some(into);
    const auto size = std::min(into.size(), whole_.size() - read_);
    std::copy_n(whole_.data() + read_, size, into.data());
    read_ += size;
    co_return size;
}

std::optional<std::uint64_t> request_body::size() const {
    return from_ ? from_->size() : std::optional<std::uint64_t>{whole_.size()};
}

const fields& request_body::trailers() const noexcept {
    static const fields none;
    return from_ ? from_->trailers() : none;
}

}  // namespace evercert
