#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/buffer.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/read.hpp>
#include <asio/read_until.hpp>
#include <asio/use_future.hpp>
#include <asio/write.hpp>

#include "base/stream_io.hpp"
#include "tls_test.hpp"

using namespace evercert;
using test::started;
using test::tls_options;
using test::tls_pair;

namespace {

std::string pattern(std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i)
        text[i] = static_cast<char>('a' + i * 7 % 23);
    return text;
}

/// A connection after its handshake.
struct established {
    explicit established(const tls_options& options = {}) : pair{io.get_executor(), options} {
        test::run_io(io, establish());
    }
    asio::awaitable<void> establish() {
        const auto chosen = test::certificate_for("a.test");
        co_await test::establish(pair, chosen);
    }
    /// What is ready, and nothing that takes time.
    void run() {
        io.restart();
        while (io.poll() > 0) {
        }
    }

    asio::io_context io;
    tls_pair pair;
};

/// What an operation told its handler.
struct ending {
    int times = 0;
    std::error_code error;
    std::size_t size = 0;
    auto handler() {
        return [this](std::error_code why, std::size_t moved) {
            ++times;
            error = why;
            size = moved;
        };
    }
};

asio::awaitable<std::string> read_line(tls_stream& from, std::string& buffer) {
    const auto size = co_await asio::async_read_until(from, asio::dynamic_buffer(buffer), '\n', asio::use_awaitable);
    std::string line = buffer.substr(0, size);
    buffer.erase(0, size);
    co_return line;
}

asio::awaitable<void> write(tls_stream& to, const std::string& text) {
    co_await asio::async_write(to, asio::buffer(text), asio::use_awaitable);
}

asio::awaitable<std::string> read_whole(tls_stream& from, std::size_t size) {
    std::string text(size, '\0');
    co_await asio::async_read(from, asio::buffer(text), asio::use_awaitable);
    co_return text;
}

asio::awaitable<std::size_t> read_some_of(tls_stream& from, std::string& into) {
    co_return co_await from.async_read_some(asio::buffer(into), asio::use_awaitable);
}

asio::awaitable<void> shut_down(tls_stream& connection) { co_await connection.async_shutdown(asio::use_awaitable); }

}  // namespace

TEST_CASE("asio's composed operations read and write a TLS stream, whatever fits below") {
    tls_options options;
    options.version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    options.capacity = GENERATE(1000, 64 << 10);
    options.segment = 700;
    established on{options};
    test::run_io(on.io, [&]() -> asio::awaitable<void> {
        const std::string sent = pattern(300'000);
        started<void> writing{on.io.get_executor(), write(*on.pair.server, sent)};
        const auto received = co_await read_whole(*on.pair.client, sent.size());
        co_await writing.join();
        CHECK(received == sent);
        started<void> lines{on.io.get_executor(), write(*on.pair.client, "one\ntwo\n")};
        std::string buffer;
        const auto one = co_await read_line(*on.pair.server, buffer);
        const auto two = co_await read_line(*on.pair.server, buffer);
        CHECK(one == "one\n");
        CHECK(two == "two\n");
        co_await lines.join();
    }());
}

TEST_CASE("a callback is called once, and never inside the call that begins the operation") {
    established on;
    std::string into(100, '\0');
    ending read, written, nothing;
    on.pair.client->async_write_some(asio::buffer("there", 5), written.handler());
    CHECK(written.times == 0);
    on.run();
    CHECK(written.times == 1);
    CHECK(written.size == 5);
    on.pair.server->async_read_some(asio::buffer(into), read.handler());
    CHECK(read.times == 0);
    on.run();
    CHECK(read.times == 1);
    CHECK(into.substr(0, read.size) == "there");
    on.pair.server->async_read_some(asio::mutable_buffer{}, nothing.handler());
    on.run();
    CHECK(nothing.times == 1);
    CHECK_FALSE(nothing.error);
}

TEST_CASE("a read that waits gets what comes, and nothing is called before") {
    established on;
    std::string into(100, '\0');
    ending read;
    on.pair.server->async_read_some(asio::buffer(into), read.handler());
    on.run();
    CHECK(read.times == 0);
    ending written;
    on.pair.client->async_write_some(asio::buffer("at last", 7), written.handler());
    on.run();
    CHECK(read.times == 1);
    CHECK(into.substr(0, read.size) == "at last");
}

TEST_CASE("futures and executors of the handler's own work too") {
    established on;
    std::string into(5, '\0');
    auto received = asio::async_read(*on.pair.server, asio::buffer(into), asio::use_future);
    auto sent = asio::async_write(*on.pair.client, asio::buffer("there", 5), asio::use_future);
    on.run();
    CHECK(sent.get() == 5);
    CHECK(received.get() == 5);

    asio::io_context other;
    ending read;
    on.pair.server->async_read_some(asio::buffer(into), asio::bind_executor(other.get_executor(), read.handler()));
    CHECK_FALSE(other.stopped());
    ending written;
    on.pair.client->async_write_some(asio::buffer("again", 5), written.handler());
    on.run();
    CHECK(read.times == 0);
    // It had work all the time.
    other.run();
    CHECK(read.times == 1);
    CHECK(into == "again");
}

TEST_CASE("several small buffers go into one record") {
    established on;
    std::vector<asio::const_buffer> buffers{asio::buffer("one ", 4), asio::const_buffer{}, asio::buffer("record", 6)};
    ending written, read;
    on.pair.client->async_write_some(buffers, written.handler());
    std::string into(100, '\0');
    on.pair.server->async_read_some(asio::buffer(into), read.handler());
    on.run();
    CHECK(written.size == 10);
    CHECK(into.substr(0, read.size) == "one record");
}

TEST_CASE("two reads at once are one too many, and the first goes on") {
    established on;
    std::string into(100, '\0'), other(100, '\0');
    ending first, second;
    on.pair.server->async_read_some(asio::buffer(into), first.handler());
    on.pair.server->async_read_some(asio::buffer(other), second.handler());
    on.run();
    CHECK(second.error == asio::error::already_started);
    CHECK(first.times == 0);
    ending written;
    on.pair.client->async_write_some(asio::buffer("there", 5), written.handler());
    on.run();
    CHECK(first.size == 5);
}

TEST_CASE("a read that is cancelled has lost nothing") {
    established on;
    std::string into(100, '\0');
    asio::cancellation_signal stop;
    ending read;
    const auto type =
        GENERATE(asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total);
    on.pair.server->async_read_some(asio::buffer(into), asio::bind_cancellation_slot(stop.slot(), read.handler()));
    on.run();
    stop.emit(type);
    on.run();
    CHECK(read.times == 1);
    CHECK(read.error == asio::error::operation_aborted);
    ending written, again;
    on.pair.client->async_write_some(asio::buffer("there", 5), written.handler());
    on.pair.server->async_read_some(asio::buffer(into), again.handler());
    on.run();
    CHECK(into.substr(0, again.size) == "there");
    stop.emit(type);
    on.run();
    CHECK(again.times == 1);
}

TEST_CASE("a write that is cancelled in the middle of a record ends writing, and reading goes on") {
    tls_options options;
    options.capacity = 1000;
    established on{options};
    const std::string much = pattern(10'000);
    asio::cancellation_signal stop;
    ending write, more, read;
    on.pair.server->async_write_some(asio::buffer(much), asio::bind_cancellation_slot(stop.slot(), write.handler()));
    on.run();
    CHECK(write.times == 0);
    stop.emit(asio::cancellation_type::terminal);
    on.run();
    CHECK(write.error == asio::error::operation_aborted);
    on.pair.server->async_write_some(asio::buffer("more", 4), more.handler());
    std::string into(100, '\0');
    ending question;
    on.pair.client->async_write_some(asio::buffer("still", 5), question.handler());
    on.pair.server->async_read_some(asio::buffer(into), read.handler());
    on.run();
    CHECK(more.error == asio::error::broken_pipe);
    CHECK(into.substr(0, read.size) == "still");
    // The peer sees that it is not whole.
    on.pair.server->shutdown_write();
    ending at_client;
    std::string rest(100, '\0');
    on.pair.client->async_read_some(asio::buffer(rest), at_client.handler());
    on.run();
    CHECK(at_client.error == errc::connection_closed);
}

TEST_CASE("closing or destroying a stream ends what is in progress") {
    const bool destroys = GENERATE(false, true);
    tls_options options;
    options.capacity = 1000;
    established on{options};
    const std::string much = pattern(10'000);
    std::string into(100, '\0');
    ending read, write;
    on.pair.server->async_read_some(asio::buffer(into), read.handler());
    on.pair.server->async_write_some(asio::buffer(much), write.handler());
    on.run();
    if (destroys)
        on.pair.server.reset();
    else
        on.pair.server->close();
    on.run();
    CHECK(read.error == asio::error::operation_aborted);
    CHECK(write.error == asio::error::operation_aborted);
    CHECK(read.times + write.times == 2);
}

TEST_CASE("a read that takes turns with others in a flood of records is cancelled or loses its stream like any") {
    enum class what { cancelled, closed, destroyed };
    const auto how = GENERATE(what::cancelled, what::closed, what::destroyed);
    tls_options options;
    options.capacity = 4 << 20;
    established on{options};
    // Without data, and more than one turn takes.
    for (int i = 0; i < 30'000; ++i) {
        SSL_key_update(on.pair.client->native_handle(), SSL_KEY_UPDATE_NOT_REQUESTED);
        SSL_do_handshake(on.pair.client->native_handle());
    }
    std::string into(100, '\0');
    ending read;
    asio::cancellation_signal cancel;
    on.pair.server->async_read_some(asio::buffer(into), asio::bind_cancellation_slot(cancel.slot(), read.handler()));
    CHECK(read.times == 0);
    if (how == what::cancelled)
        cancel.emit(asio::cancellation_type::terminal);
    else if (how == what::closed)
        on.pair.server->close();
    else
        on.pair.server.reset();
    on.run();
    CHECK(read.times == 1);
    CHECK(read.error == asio::error::operation_aborted);
}

TEST_CASE("a stream is moved while it is read and written") {
    tls_options options;
    options.capacity = 1000;
    established on{options};
    const std::string much = pattern(10'000);
    std::string into(100, '\0');
    ending read, write;
    on.pair.server->async_read_some(asio::buffer(into), read.handler());
    on.pair.server->async_write_some(asio::buffer(much), write.handler());
    on.run();
    tls_stream moved = std::move(*on.pair.server);
    on.pair.server.reset();
    started<std::string> receiving{on.io.get_executor(), read_whole(*on.pair.client, 1000)};
    ending question;
    on.pair.client->async_write_some(asio::buffer("there", 5), question.handler());
    on.run();
    CHECK(into.substr(0, read.size) == "there");
    CHECK(write.size > 0);
    CHECK(moved.certificate()->covers("a.test"));
}

TEST_CASE("an io_context that is destroyed with operations inside destroys what they own") {
    auto owned = std::make_shared<int>(0);
    std::weak_ptr<int> watched = owned;
    auto pair = std::make_unique<established>();
    auto into = std::make_shared<std::string>(100, '\0');
    auto stream = std::make_shared<tls_stream>(std::move(*pair->pair.server));
    stream->async_read_some(
        asio::buffer(*into), [stream, into, owned = std::move(owned)](std::error_code, std::size_t) {});
    stream.reset();
    pair->run();
    CHECK_FALSE(watched.expired());
    pair.reset();
    CHECK(watched.expired());
}

TEST_CASE("shutting down sends close_notify, drops what comes and ends when the peer has closed") {
    tls_options options;
    options.version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    established on{options};
    test::run_io(on.io, [&]() -> asio::awaitable<void> {
        started<void> shutting{on.io.get_executor(), shut_down(*on.pair.server)};
        std::string into(100, '\0');
        const auto ended = co_await test::failure_of(read_some_of(*on.pair.client, into));
        CHECK(ended == asio::error::eof);
        CHECK_FALSE(shutting.ended());
        co_await write(*on.pair.client, "nobody wants this");
        const auto closing = co_await test::failure_of(shut_down(*on.pair.client));
        CHECK_FALSE(closing);
        const auto other = co_await test::failure_of(shutting.join());
        CHECK_FALSE(other);
    }());
}

TEST_CASE("shutting down ends if the peer just closes, and with an error if it sends without end") {
    established on;
    const bool floods = GENERATE(false, true);
    test::run_io(on.io, [&]() -> asio::awaitable<void> {
        started<void> shutting{on.io.get_executor(), shut_down(*on.pair.server)};
        co_await test::yield(5);
        const std::string much = pattern(tls_stream::shutdown_read_max + 100'000);
        if (floods) {
            started<void> writing{on.io.get_executor(), write(*on.pair.client, much)};
            const auto ended = co_await test::failure_of(shutting.join());
            CHECK(ended == asio::error::message_size);
        } else {
            std::string into(100, '\0');
            const auto end = co_await test::failure_of(read_some_of(*on.pair.client, into));
            CHECK(end == asio::error::eof);
            on.pair.client->close();
            const auto ended = co_await test::failure_of(shutting.join());
            CHECK_FALSE(ended);
        }
    }());
}

TEST_CASE("a client that asks for renegotiation is refused, and no new handshake begins") {
    tls_options options;
    options.version = TLS1_2_VERSION;
    established on{options};
    // OpenSSL's client asks, whatever the context says, once its own option is off.
    SSL_clear_options(on.pair.client->native_handle(), SSL_OP_NO_RENEGOTIATION);
    REQUIRE(SSL_renegotiate(on.pair.client->native_handle()) == 1);
    SSL_do_handshake(on.pair.client->native_handle());
    std::string into(100, '\0');
    ending read, at_client;
    on.pair.server->async_read_some(asio::buffer(into), read.handler());
    on.run();
    CHECK(read.times == 0);
    on.pair.client->async_read_some(asio::buffer(into), at_client.handler());
    on.run();
    CHECK(on.pair.client_alert == SSL_AD_NO_RENEGOTIATION);
}
