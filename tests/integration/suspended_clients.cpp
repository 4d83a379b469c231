#include <array>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <sys/resource.h>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <openssl/ssl.h>

// Clients that say hello to a server in another process, and wait for what it answers:
//
//     suspended_clients PORT COUNT SERVER_NAME [each]
//
// With "each" every client asks for a name of its own below SERVER_NAME. Writes "all wait" when the last has said hello; and at
// the end a line for each kind of answer: how many had it, and the shortest and longest time from hello to it, as in
// "alert 80: 5000, 8001 to 8233 ms". Ends by itself, after two minutes at the latest.

namespace {

using tcp = asio::ip::tcp;
using steady = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::chrono::minutes patience{2};
/// So that all have as many digits.
constexpr int first_number = 10'000;

struct answers {
    int count = 0;
    milliseconds first = milliseconds::max();
    milliseconds last = {};
};
using answers_by_kind = std::map<std::string, answers>;

/// A whole ClientHello, as OpenSSL sends it. Others have the same with another name of the same length in it.
std::string client_hello_for(const std::string& server_name) {
    const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{SSL_CTX_new(TLS_client_method()), SSL_CTX_free};
    const std::unique_ptr<SSL, decltype(&SSL_free)> ssl{SSL_new(context.get()), SSL_free};
    BIO* const wire = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), wire);
    SSL_set_tlsext_host_name(ssl.get(), server_name.c_str());
    SSL_connect(ssl.get());
    char* bytes = nullptr;
    const auto size = BIO_get_mem_data(wire, &bytes);
    return {bytes, static_cast<std::size_t>(size)};
}

/// Of the first bytes of an answer: a plain alert (RFC 8446, section 6), or not.
std::string kind_of(const std::array<unsigned char, 7>& bytes, std::size_t size) {
    constexpr unsigned char alert = 21;
    if (size == bytes.size() && bytes[0] == alert)
        return "alert " + std::to_string(bytes[6]);
    return size == 0 ? "closed" : "something else";
}

asio::awaitable<void> wait_for_answer(std::unique_ptr<tcp::socket> from, answers_by_kind& all) {
    const auto asked = steady::now();
    std::array<unsigned char, 7> bytes = {};
    std::error_code failed;
    const auto size =
        co_await asio::async_read(*from, asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, failed));
    const auto took = std::chrono::duration_cast<milliseconds>(steady::now() - asked);
    auto& mine = all[kind_of(bytes, size)];
    ++mine.count;
    mine.first = std::min(mine.first, took);
    mine.last = std::max(mine.last, took);
}

void rethrow(const std::exception_ptr& thrown) {
    if (thrown)
        std::rethrow_exception(thrown);
}

asio::awaitable<void> come(
    asio::io_context& io, tcp::endpoint at, int count, std::string name, bool each, answers_by_kind& all) {
    const auto name_of = [&](int client) {
        return each ? "n" + std::to_string(first_number + client) + "." + name : name;
    };
    auto hello = client_hello_for(name_of(0));
    const auto name_at = hello.find(name_of(0));
    for (int i = 0; i < count; ++i) {
        auto socket = std::make_unique<tcp::socket>(io);
        co_await socket->async_connect(at, asio::use_awaitable);
        const auto own = name_of(i);
        hello.replace(name_at, own.size(), own);
        co_await asio::async_write(*socket, asio::buffer(hello), asio::use_awaitable);
        asio::co_spawn(io, wait_for_answer(std::move(socket), all), rethrow);
    }
    std::cout << "all wait" << std::endl;
}

void allow_descriptors(rlim_t wanted) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = std::min(limit.rlim_max, std::max(limit.rlim_cur, wanted));
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc < 4)
        throw std::runtime_error{"usage: suspended_clients PORT COUNT SERVER_NAME [each]"};
    const int count = std::atoi(argv[2]);
    constexpr int other_files = 100;
    allow_descriptors(static_cast<rlim_t>(count) + other_files);
    asio::io_context io;
    const tcp::endpoint at{asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(std::atoi(argv[1]))};
    answers_by_kind all;
    asio::co_spawn(io, come(io, at, count, argv[3], argc > 4, all), rethrow);
    io.run_for(patience);
    for (const auto& [kind, answered] : all)
        std::cout << kind << ": " << answered.count << ", " << answered.first.count() << " to " << answered.last.count()
                  << " ms\n";
    return io.stopped() ? EXIT_SUCCESS : EXIT_FAILURE;
} catch (const std::exception& e) {
    std::cerr << "suspended_clients: " << e.what() << '\n';
    return EXIT_FAILURE;
}
