#include <netinet/in.h>
#include <sys/socket.h>

#include "acceptor_setting.hpp"
#include "interruption.hpp"

using namespace acceptor_test;

namespace {

enum class deed { stop, cancel, close, destroy };

/// What is waited for when it happens.
enum class phase { accept, handshake, read, write, shutdown };

// More than fits into the sockets, so that writing waits too.
constexpr std::size_t answer_size = 1 << 20;
constexpr int send_buffer_size = 16 << 10;
constexpr std::size_t pause_every = 64 << 10;

/// Its listeners' connections keep little in the kernel, and wait at seams that count.
class narrow_network final : public network {
public:
    explicit narrow_network(std::shared_ptr<test::interruption> cut) : cut_{std::move(cut)} {}

    asio::awaitable<std::vector<asio::ip::address>> resolve(std::string host) override {
        return next_->resolve(std::move(host));
    }
    asio::awaitable<std::unique_ptr<stream>> connect(endpoint to) override { return next_->connect(std::move(to)); }
    std::unique_ptr<listener> listen(asio::any_io_executor executor, endpoint) override {
        const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        // What it accepts inherits this.
        ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &send_buffer_size, sizeof send_buffer_size);
        ::bind(socket, reinterpret_cast<const sockaddr*>(&at), sizeof at);
        ::listen(socket, 16);
        return std::make_unique<test::interrupted_listener>(cut_, listen_on_socket(executor, socket));
    }

private:
    std::shared_ptr<test::interruption> cut_;
    std::shared_ptr<network> next_ = system_network();
};

/// A connection from its handshake to its end, whose server waits at a seam that counts.
struct life {
    explicit life(const std::string& proxy_header) : header{proxy_header} {
        tls_acceptor_options options;
        options.network = std::make_shared<narrow_network>(cut);
        if (!proxy_header.empty())
            options.trusted_proxies = {"127.0.0.1"};
        here = std::make_unique<site>(options);
    }

    static asio::awaitable<void> serve(life& self) {
        tls_stream connection = co_await self.here->acceptor.accept();
        self.connection = &connection;
        const struct gone {
            life& of;
            ~gone() { of.connection = nullptr; }
        } gone{self};
        self.serves = phase::read;
        std::string said(5, '\0');
        co_await asio::async_read(connection, asio::buffer(said), asio::use_awaitable);
        self.serves = phase::write;
        const std::string answer(answer_size, 'x');
        co_await asio::async_write(connection, asio::buffer(answer), asio::use_awaitable);
        self.serves = phase::shutdown;
        co_await connection.async_shutdown(asio::use_awaitable);
        self.served = true;
    }

    static asio::awaitable<void> visit(life& self) {
        auto below = co_await self.here->connect();
        co_await write_all(*below, self.header);
        const std::vector<std::string> none;
        tls_stream client{std::move(below), self.here->trusting, "a.test", none};
        co_await client.handshake();
        co_await test::yield(3);
        co_await write_all(client, std::string_view{"hello"});
        co_await test::yield(100);
        std::array<std::byte, 1000> buffer;
        std::size_t received = 0;
        while (const auto size = co_await read_some(client, buffer)) {
            received += size;
            // Slowly, so that the server has to wait for it again and again.
            if (received % pause_every < size)
                co_await test::yield(50);
        }
        self.has_all = received == answer_size;
        // What comes after the server's close_notify, it reads and drops until this has closed too.
        for (int i = 0; i < 20; ++i) {
            co_await write_all(client, std::string_view{"more"});
            co_await test::yield(5);
        }
    }

    /// The acceptor waits for a connection from its beginning on.
    phase now() const {
        if (serves != phase::handshake)
            return serves;
        return cut->where() == "accept" ? phase::accept : phase::handshake;
    }

    std::shared_ptr<test::interruption> cut = std::make_shared<test::interruption>();
    std::string header;
    std::unique_ptr<site> here;
    tls_stream* connection = nullptr;
    phase serves = phase::handshake;
    bool served = false;
    bool has_all = false;  ///< the client
};

/// The phase in which it was; nothing if it was over before the nth wait.
std::optional<phase> interrupt_at(int n, deed what, const std::string& header) {
    life one{header};
    test::started<> serving{one.here->io.get_executor(), life::serve(one)};
    test::started<> visiting{one.here->io.get_executor(), life::visit(one)};
    std::optional<phase> during;
    bool destroyed = false;
    one.cut->at(n, [&] {
        during = one.now();
        switch (what) {
        case deed::stop: return one.here->acceptor.stop();
        case deed::cancel: return asio::post(one.here->io, [&] { serving.cancel(); });
        case deed::close:
            return asio::post(one.here->io, [&] {
                if (one.connection)
                    one.connection->close();
                else
                    one.here->acceptor.stop();
            });
        case deed::destroy: destroyed = true; return one.here->io.stop();
        }
    });
    one.here->until([&] { return destroyed || serving.ended(); });
    CAPTURE(n, one.cut->where());
    CHECK((one.served || during));
    if (!destroyed) {
        one.here->run(one.here->acceptor.close());
        CHECK(one.here->acceptor.handshakes() == 0);
        one.here->until([&] { return visiting.ended(); });
        CHECK(one.here->acceptor.connections() == 0);
        if (one.served)
            CHECK(one.has_all);
        else if (during != phase::shutdown)
            CHECK_FALSE(one.has_all);
    }
    // Everything that was in progress goes with the io_context.
    one.here.reset();
    CHECK(one.cut->streams == 0);
    return during;
}

}  // namespace

TEST_CASE("a connection is stopped, cancelled, closed or destroyed at each of its waits, and nothing is left") {
    const auto what = GENERATE(deed::stop, deed::cancel, deed::close, deed::destroy);
    const auto* const header = GENERATE("", "PROXY TCP4 198.51.100.7 192.0.2.2 5555 8883\r\n");
    constexpr int waits_max = 2'000;
    std::map<phase, int> interrupted;
    int n = 1;
    while (n < waits_max) {
        const auto during = interrupt_at(n, what, header);
        if (!during)
            break;
        // Of those of a long write every so many will do.
        n += *during == phase::write && ++interrupted[*during] > 4 ? 7 : 1;
        interrupted.try_emplace(*during, 1);
    }
    CHECK(n < waits_max);
    CHECK(interrupted.size() == 5);
    CHECK(interrupted[phase::write] > 4);
}
