#include <algorithm>
#include <charconv>
#include <iostream>
#include <limits>

#include "catch.hpp"
#include "http/http1.hpp"
#include "http_load.hpp"
#include "memory_use.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

// More than fits in 32 bits; less where memory cannot be measured.
constexpr std::uint64_t large = (std::uint64_t{test::memory_can_be_measured ? 4U : 0U} << 30) + (256 << 20) + 1;
/// What a whole transfer may need beyond what a short one does: both ends are in this process.
constexpr std::size_t growth_max = 4 << 20;
constexpr std::size_t piece = 64 << 10;

/// Bytes by their place, with a period that no buffer has.
class pattern {
public:
    std::string_view at(std::uint64_t place, std::uint64_t size) const {
        const auto begin = static_cast<std::size_t>(place % period);
        return std::string_view{text_}.substr(begin, static_cast<std::size_t>(std::min<std::uint64_t>(size, piece)));
    }
    bool matches(std::uint64_t place, std::string_view data) const {
        const auto begin = static_cast<std::size_t>(place % period);
        return std::string_view{text_}.substr(begin, data.size()) == data;
    }

private:
    static constexpr std::size_t period = 10'007;
    static std::string made() {
        std::string text;
        for (std::size_t i = 0; i < period + 4 * piece; ++i)
            text.push_back(static_cast<char>((i % period) * 31 % 251));
        return text;
    }
    const std::string text_ = made();
};
const pattern bytes;

std::uint64_t number(std::string_view text) {
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

asio::awaitable<void> produce(body_writer& out, std::uint64_t size) {
    for (std::uint64_t written = 0; written < size;) {
        const auto data = bytes.at(written, size - written);
        co_await out.write(data);
        written += data.size();
    }
}

/// Up: counts what comes. Down: as many bytes as the query says, in chunks or of known length.
asio::awaitable<response> transfer(request asked) {
    if (asked.method == "POST") {
        std::string buffer(piece, '\0');
        std::uint64_t come = 0;
        bool right = true;
        for (;;) {
            const auto size = co_await asked.body.read_some(buffer);
            if (size == 0)
                break;
            right = right && bytes.matches(come, std::string_view{buffer}.substr(0, size));
            come += size;
        }
        co_return response{std::to_string(come) + (right ? " right" : " wrong")};
    }
    const auto size = number(asked.query());
    const auto write = [size](body_writer& out) { return produce(out, size); };
    if (asked.path() == "/chunks")
        co_return response::stream(write);
    co_return response::stream(write, size);
}

enum class how { by_length, in_chunks };

/// A client that keeps nothing.
class client {
public:
    explicit client(std::unique_ptr<stream> on) : on_{std::move(on)} {}

    asio::awaitable<std::string> upload(std::uint64_t size, how framing) {
        const std::string head = framing == how::in_chunks ? std::string{"Transfer-Encoding: chunked"}
                                                           : "Content-Length: " + std::to_string(size);
        co_await write_all(*on_, "POST / HTTP/1.1\r\nHost: a.test\r\n" + head + "\r\n\r\n");
        std::string wire;
        for (std::uint64_t sent = 0; sent < size;) {
            const auto data = bytes.at(sent, size - sent);
            if (framing == how::in_chunks) {
                wire = fmt::format("{:x}\r\n{}\r\n", data.size(), data);
                co_await write_all(*on_, wire);
            } else {
                co_await write_all(*on_, data);
            }
            sent += data.size();
        }
        if (framing == how::in_chunks)
            co_await write_all(*on_, std::string_view{"0\r\n\r\n"});
        std::string said;
        while (said.find("right") == said.npos && said.find("wrong") == said.npos) {
            const auto size_read = co_await read_some(*on_, std::as_writable_bytes(std::span{buffer_}));
            if (size_read == 0)
                break;
            said.append(buffer_, 0, size_read);
        }
        co_return said.substr(said.find("\r\n\r\n") + 4);
    }

    /// How much came of what it asked for, as long as it was right.
    asio::awaitable<std::uint64_t> download(std::uint64_t size, how framing) {
        const std::string path = framing == how::in_chunks ? "/chunks?" : "/length?";
        co_await write_all(*on_, "GET " + path + std::to_string(size) + " HTTP/1.1\r\nHost: a.test\r\n\r\n");
        std::string head;
        while (head.find("\r\n\r\n") == head.npos) {
            std::array<std::byte, 1> one;
            const auto came = co_await read_some(*on_, one);
            if (came == 0)
                co_return 0;
            head += static_cast<char>(one[0]);
        }
        http1_framing known;
        known.how = framing == how::in_chunks ? http1_framing::kind::chunked : http1_framing::kind::length;
        known.length = size;
        const auto field = framing == how::in_chunks ? std::string{"Transfer-Encoding: chunked"}
                                                     : "Content-Length: " + std::to_string(size);
        if (head.find(field) == head.npos)
            co_return 0;
        http1_body_decoder body{known, std::numeric_limits<std::uint64_t>::max()};
        std::uint64_t come = 0;
        while (!body.complete() && !body.failure()) {
            const auto count = co_await read_some(*on_, std::as_writable_bytes(std::span{buffer_}));
            if (count == 0)
                co_return come;
            for (std::string_view rest{buffer_.data(), count}; !rest.empty();) {
                const auto next = body.next(rest);
                if (next.taken == 0 || !bytes.matches(come, next.content))
                    co_return come;
                come += next.content.size();
                rest.remove_prefix(next.taken);
            }
        }
        co_return come;
    }

private:
    const std::unique_ptr<stream> on_;
    std::string buffer_ = std::string(piece, '\0');
};

/// The most that was resident while something went on, as it was looked at now and then.
class peak {
public:
    explicit peak(asio::io_context& io) : timer_{io} { look(); }
    ~peak() { timer_.cancel(); }
    peak(const peak&) = delete;
    std::size_t most() const { return *most_; }

private:
    void look() {
        *most_ = std::max(*most_, test::resident_memory());
        timer_.expires_after(20ms);
        // What had expired before it was cancelled is told so when this is gone.
        timer_.async_wait([this, most = std::weak_ptr{most_}](std::error_code cancelled) {
            if (!cancelled && !most.expired())
                look();
        });
    }
    asio::steady_timer timer_;
    std::shared_ptr<std::size_t> most_ = std::make_shared<std::size_t>();
};

asio::awaitable<void> go_both_ways(test::http_load& site, bool over_tls, how up, how down, std::uint64_t size) {
    auto connected = co_await site.connect(over_tls);
    client one{std::move(connected)};
    const auto said = co_await one.upload(size, up);
    CHECK(said == std::to_string(size) + " right");
    const auto come = co_await one.download(size, down);
    CHECK(come == size);
}

}  // namespace

TEST_CASE("4 GB go up and down in memory that does not grow with them") {
    const bool over_tls = GENERATE(false, true);
    const auto up = over_tls ? how::in_chunks : how::by_length, down = over_tls ? how::by_length : how::in_chunks;
    server_options options;
    options.request_timeout = 5min;
    test::http_load site{transfer, options};
    site.run(go_both_ways(site, over_tls, up, down, 50 << 20));
    const auto before = test::resident_memory();
    const auto begin = std::chrono::steady_clock::now();
    std::size_t most = 0;
    {
        const peak watched{site.io};
        site.run(go_both_ways(site, over_tls, up, down, large), 200s);
        most = watched.most();
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::cout << "4 GB up and down" << (over_tls ? " over TLS" : "") << ": " << took.count() << " s, resident "
              << (before >> 10) << " kB before, at most " << (most >> 10) << " kB meanwhile" << std::endl;
    if (test::memory_can_be_measured)
        CHECK(most < before + growth_max);
}
