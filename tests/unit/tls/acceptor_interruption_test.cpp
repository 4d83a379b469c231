#include "acceptor_setting.hpp"
#include "interruption.hpp"

using namespace acceptor_test;

namespace {

enum class deed { stop, cancel, close, destroy };

/// A connection from its handshake to its end, whose server waits at a seam that counts.
struct life {
    explicit life(const std::string& proxy_header) : header{proxy_header} {
        tls_acceptor_options options;
        options.network = std::make_shared<test::interrupted_network>(cut);
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
        std::string said(5, '\0');
        co_await asio::async_read(connection, asio::buffer(said), asio::use_awaitable);
        // More than fits into the socket, so that writing waits too.
        const std::string answer(8 << 20, 'x');
        co_await asio::async_write(connection, asio::buffer(answer), asio::use_awaitable);
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
        std::array<std::byte, 1000> buffer;
        while (co_await read_some(client, buffer) > 0) {
        }
    }

    std::shared_ptr<test::interruption> cut = std::make_shared<test::interruption>();
    std::string header;
    std::unique_ptr<site> here;
    tls_stream* connection = nullptr;
    bool served = false;
};

/// False if it was over before the nth wait.
bool interrupt_at(int n, deed what, const std::string& header) {
    // They outlive the io_context; what runs on it is destroyed with it, and not cancelled.
    asio::cancellation_signal leave;
    const auto serving = std::make_shared<test::result<void>>(), visiting = std::make_shared<test::result<void>>();
    life one{header};
    bool destroyed = false;
    one.cut->at(n, [&] {
        switch (what) {
        case deed::stop: return one.here->acceptor.stop();
        case deed::cancel: return asio::post(one.here->io, [&] { leave.emit(asio::cancellation_type::terminal); });
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
    const auto ended = [](std::exception_ptr) {};
    asio::co_spawn(
        one.here->io, test::run_into(serving, life::serve(one)), asio::bind_cancellation_slot(leave.slot(), ended));
    asio::co_spawn(one.here->io, test::run_into(visiting, life::visit(one)), ended);
    one.here->until([&] { return destroyed || serving->ended(); });
    CAPTURE(n, one.cut->where());
    CHECK((one.served || one.cut->happened()));
    if (!destroyed) {
        one.here->run(one.here->acceptor.close());
        CHECK(one.here->acceptor.handshakes() == 0);
        one.here->until([&] { return visiting->ended(); });
        CHECK(one.here->acceptor.connections() == 0);
    }
    // Everything that was in progress goes with the io_context.
    one.here.reset();
    CHECK(one.cut->streams == 0);
    return one.cut->happened();
}

}  // namespace

TEST_CASE("a connection is stopped, cancelled, closed or destroyed at each of its waits, and nothing is left") {
    const auto what = GENERATE(deed::stop, deed::cancel, deed::close, deed::destroy);
    const auto* const header = GENERATE("", "PROXY TCP4 198.51.100.7 192.0.2.2 5555 8883\r\n");
    constexpr int waits_max = 2'000;
    int n = 1;
    // The first are each of their own kind; of those of a long write every so many will do.
    while (n < waits_max && interrupt_at(n, what, header))
        n += n < 12 ? 1 : 7;
    CHECK(n > 6);
    CHECK(n < waits_max);
}
