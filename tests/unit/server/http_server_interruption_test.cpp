#include "base/memory_stream.hpp"
#include "http_server_setting.hpp"
#include "interruption.hpp"
#include "memory_network.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using namespace http_server_test;

namespace {

enum class way { plain, through_proxy, tls };
enum class deed { drain, stop, cancel, drain_then_cancel, client_leaves, destroy };

// Several times what the connection holds, so that each direction waits.
constexpr std::size_t capacity = 16 << 10;
constexpr std::size_t size = 5 * capacity;

/// One certificate for all of them.
struct identity {
    std::string root_file() const {
        test::write_all_to(folder.file("roots"), root.root_pem());
        return folder.file("roots");
    }
    test::temp_folder folder;
    test::authority root{system_clock()->wall() - 1h};
    certificate_ptr own = root.issue({"a.test"}, validity{system_clock()->wall() - 1h, system_clock()->wall() + 48h});
    tls_client_context trusting{root_file(), system_clock()};
};
const identity& shared_identity() {
    static const identity one;
    return one;
}

/// A connection with a request of each kind, from its start to its end, at a server that waits at seams that count.
class life {
public:
    explicit life(way how) : how_{how} {
        net_->capacity = capacity;
        server_options options;
        if (how == way::through_proxy)
            options.trusted_proxies = {"127.0.0.1"};
        server_.emplace(io_.get_executor(), io_.get_executor(), options, system_clock(), logger{});
        auto listening =
            std::make_unique<test::interrupted_listener>(cut, net_->listen(io_.get_executor(), loopback()));
        at_ = listening->local_endpoint();
        handler answer = [this](request asked) { return take(*this, std::move(asked)); };
        source_.by_name["a.test"] = shared_identity().own;
        if (how == way::tls)
            server_->add(std::move(listening), std::move(answer), source_);
        else
            server_->add(std::move(listening), std::move(answer));
        running_.emplace(io_.get_executor(), server_->run());
        visiting_.emplace(io_.get_executor(), visit(*this));
    }

    void act(deed what) {
        switch (what) {
        case deed::drain: return server_->stop(20s);
        case deed::stop: return server_->stop(0s);
        case deed::cancel: return asio::post(io_, [this] { running_->cancel(); });
        case deed::drain_then_cancel: server_->stop(20s); return cancel_after(moment);
        case deed::client_leaves:
            return asio::post(io_, [this] {
                if (below_)
                    below_->close();
            });
        case deed::destroy: destroyed = true; return io_.stop();
        }
    }

    /// So many turns of the loop later: while acceptors end, or while connections do.
    void cancel_after(int turns) {
        asio::post(io_, [this, turns] {
            if (turns > 0)
                return cancel_after(turns - 1);
            cancelled_in_time = server_->connections() > 0;
            running_->cancel();
        });
    }

    /// To the end of it, also of a server that nobody has stopped.
    void finish() {
        until([&] { return destroyed || visiting_->ended(); });
        if (destroyed)
            return;
        until([&] { return server_->connections() == 0; });
        server_->stop(0s);
        until([&] { return running_->ended(); });
    }
    bool was_cancelled() {
        try {
            running_->take();
        } catch (const std::system_error& e) {
            return e.code() == asio::error::operation_aborted;
        }
        return false;
    }

    std::shared_ptr<test::interruption> cut = std::make_shared<test::interruption>();
    bool destroyed = false;
    int moment = 0;
    bool cancelled_in_time = true;
    int handlers = 0;   ///< that have not ended
    int answers = 0;    ///< that the client has whole
    bool torn = false;  ///< it has one in part
    static constexpr int answers_max = 6;

private:
    struct here {
        explicit here(life& of) : of{of} { ++of.handlers; }
        ~here() { --of.handlers; }
        here(const here&) = delete;
        life& of;
    };

    static asio::awaitable<void> pause(life& self, const char* what) {
        const auto executor = co_await asio::this_coro::executor;
        asio::steady_timer timer{executor, 1ms};
        self.cut->pass(what);
        co_await timer.async_wait(asio::use_awaitable);
    }

    static asio::awaitable<void> produce(life& self, body_writer& out) {
        const here counted{self};
        for (std::size_t written = 0; written < size; written += 1000) {
            co_await out.write(std::string_view{filler()}.substr(0, 1000));
            if (written % 20'000 == 0)
                co_await out.flush();
        }
        co_await pause(self, "producer");
    }

    static asio::awaitable<response> take(life& self, request asked) {
        const here counted{self};
        if (asked.target == "/ignores")
            co_return response{"ignored"};
        if (asked.target == "/streams") {
            std::array<char, 5000> buffer;
            while (co_await asked.body.read_some(buffer) > 0) {
            }
            co_return response::stream([&self](body_writer& out) { return produce(self, out); });
        }
        const auto text = co_await asked.body.text();
        co_await pause(self, "handler");
        co_return response{filler() + text};
    }

    static const std::string& filler() {
        static const std::string text(size, 'x');
        return text;
    }

    /// The other side.
    static asio::awaitable<void> visit(life& self) {
        auto connected = co_await self.net_->connect(self.at_);
        self.below_ = connected.get();
        const struct gone {
            life& of;
            ~gone() { of.below_ = nullptr; }
        } gone{self};
        if (self.how_ == way::tls) {
            const std::vector<std::string> none;
            auto client =
                std::make_unique<tls_stream>(std::move(connected), shared_identity().trusting, "a.test", none);
            co_await client->handshake();
            connected = std::move(client);
        }
        if (self.how_ == way::through_proxy) {
            co_await say(*connected, "PROXY TCP4 198.51.100.7 ");
            co_await say(*connected, "192.0.2.2 5555 80\r\n");
        }
        const std::string length = "Content-Length: " + std::to_string(size) + "\r\n\r\n";
        const std::string host = " HTTP/1.1\r\nHost: a.test\r\n";
        co_await say(*connected, "GET /in-pieces HT");
        co_await say(*connected, "TP/1.1\r\nHost: a.test\r\n\r\n");
        co_await hear(self, *connected);
        co_await say(*connected, "POST /invited" + host + "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
        co_await hear(self, *connected);
        co_await say(*connected, "5\r\nhe");
        co_await say(*connected, "llo\r\n0\r\n\r\n");
        co_await hear(self, *connected);
        co_await say(*connected, "POST /streams" + host + length);
        co_await say(*connected, filler());
        co_await hear(self, *connected);
        co_await say(*connected, "POST /ignores" + host + length);
        co_await hear(self, *connected);
        co_await say(*connected, filler());
        // The last one; what follows it is read away.
        co_await say(*connected, "GET /last" + host + "Connection: close\r\n\r\n" + filler().substr(0, 100));
        co_await hear(self, *connected);
        co_await say(*connected, filler());
    }

    static asio::awaitable<void> say(stream& to, std::string text) {
        co_await write_all(to, text);
        co_await test::yield(5);
    }

    static asio::awaitable<void> hear(life& self, stream& from) {
        http1_response_decoder decoder{test::wide_limits, false};
        std::array<std::byte, 4096> buffer;
        bool begun = false;
        std::exception_ptr thrown;
        try {
            while (!decoder.complete() && !decoder.failure()) {
                const auto came = co_await read_some(from, buffer);
                if (came == 0)
                    throw std::system_error{asio::error::eof};
                begun = true;
                decoder.feed(std::string_view{reinterpret_cast<const char*>(buffer.data()), came});
                // The server has to wait for room.
                co_await test::yield(5);
            }
        } catch (...) {
            thrown = std::current_exception();
        }
        self.answers += decoder.complete() ? 1 : 0;
        self.torn = begun && !decoder.complete();
        if (thrown)
            std::rethrow_exception(thrown);
    }

    template <typename Condition>
    void until(Condition condition) {
        const auto limit = std::chrono::steady_clock::now() + 30s;
        while (!condition()) {
            io_.run_one_for(10ms);
            if (destroyed)
                return;
            io_.restart();
            if (std::chrono::steady_clock::now() > limit)
                throw std::runtime_error{"it did not become so"};
        }
    }

    const way how_;
    certificates source_;
    std::shared_ptr<test::memory_network> net_ = std::make_shared<test::memory_network>();
    stream* below_ = nullptr;
    endpoint at_;
    asio::io_context io_;
    std::optional<http_server> server_;
    std::optional<test::started<void>> running_;
    std::optional<test::started<void>> visiting_;
};

/// False if it was over before the nth wait.
bool interrupt_at(int n, deed what, way how) {
    const auto cut = [&] {
        life one{how};
        one.moment = n % 6;
        one.cut->at(n, [&] { one.act(what); });
        one.finish();
        CAPTURE(n, one.cut->where(), one.answers);
        const bool happened = one.cut->happened();
        CHECK((happened || one.answers == life::answers_max));
        if (!one.destroyed) {
            CHECK(one.handlers == 0);
            // One that comes when nothing is left to be cut short may change nothing.
            if (one.cancelled_in_time) {
                const bool cancelled = what == deed::cancel || what == deed::drain_then_cancel;
                CHECK(one.was_cancelled() == (happened && cancelled));
            }
        }
        // What was begun before the end of a server that has time is whole.
        if (what == deed::drain)
            CHECK_FALSE(one.torn);
        return one.cut;
    }();
    CAPTURE(n, cut->where());
    CHECK(cut->streams == 0);
    return cut->happened();
}

}  // namespace

TEST_CASE("a server is stopped, cancelled, left or destroyed at each of its waits, and nothing is left") {
    const auto what =
        GENERATE(deed::drain, deed::stop, deed::cancel, deed::drain_then_cancel, deed::client_leaves, deed::destroy);
    const auto how = GENERATE(way::plain, way::through_proxy, way::tls);
    CAPTURE(static_cast<int>(what), static_cast<int>(how));
    constexpr int waits_max = 500;
    int n = 1;
    while (n < waits_max && interrupt_at(n, what, how))
        ++n;
    // Head, handler, both bodies, both answers, what is read away, and the end.
    CHECK(n > 30);
    CHECK(n < waits_max);
}
