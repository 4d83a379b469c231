#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <asio/io_context.hpp>
#include <asio/read.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <openssl/ssl.h>

#include <evercert/network.hpp>
#include <evercert/tls_context.hpp>
#include <evercert/tls_stream.hpp>

#include "catch.hpp"
#include "crypto/issue.hpp"
#include "crypto/pem.hpp"
#include "crypto/x509_builder.hpp"
#include "example_programs.hpp"
#include "pebble.hpp"
#include "process.hpp"
#include "run.hpp"

using namespace std::chrono_literals;
using namespace std::string_literals;
using Catch::Matchers::ContainsSubstring;

namespace {

constexpr auto patience = 20s;

/// A CA of devices, whose certificates say their names alone.
struct device_ca {
    evercert::private_key key = evercert::private_key::generate();
    evercert::wall_time from = evercert::system_clock()->wall() - 24h;
    evercert::certificate root = evercert::make_root("Devices", key, {from, from + 24h * 365});

    void issue(const std::string& common_name, const std::string& certificate_file, const std::string& key_file) const {
        const auto own = evercert::private_key::generate();
        evercert::x509_builder builder;
        builder.serial({}).validity(from, from + 24h * 90).key(own.native_handle()).common_name(common_name);
        builder.extension(NID_ext_key_usage, "clientAuth").issued_by(root.native_handle());
        const auto der = evercert::encode_der(i2d_X509, builder.sign(key).get());
        test::write_file(certificate_file, evercert::write_pem("CERTIFICATE", der));
        test::write_file(key_file, own.to_pem());
    }
};

/// A client that says what a test tells it to, byte for byte.
class raw_client {
public:
    raw_client(std::uint16_t port, const evercert::tls_client_context& trusting)
        : tls_{test::run_io(io_, connect(port, trusting), patience)} {}

    void send(const std::string& bytes) { test::run_io(io_, write(tls_.get(), bytes), patience); }
    /// Exactly so many bytes; fewer if the broker has closed.
    std::string receive(std::size_t size) { return test::run_io(io_, read(tls_.get(), size), patience); }
    bool is_closed() { return receive(1).empty(); }

private:
    using tls_ptr = std::unique_ptr<evercert::tls_stream>;

    static asio::awaitable<tls_ptr> connect(std::uint16_t port, const evercert::tls_client_context& trusting) {
        evercert::endpoint at;
        at.address = asio::ip::address_v4::loopback();
        at.port = port;
        const auto network = evercert::system_network();
        auto below = co_await network->connect(at);
        const std::vector<std::string> no_protocols;
        auto tls = std::make_unique<evercert::tls_stream>(std::move(below), trusting, "mqtt.test", no_protocols);
        co_await tls->handshake();
        co_return tls;
    }
    static asio::awaitable<void> write(evercert::tls_stream* to, std::string bytes) {
        co_await asio::async_write(*to, asio::buffer(bytes), asio::use_awaitable);
    }
    static asio::awaitable<std::string> read(evercert::tls_stream* from, std::size_t size) {
        std::string bytes(size, '\0');
        std::error_code ended;
        const auto read =
            co_await asio::async_read(*from, asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, ended));
        bytes.resize(read);
        co_return bytes;
    }

    asio::io_context io_;
    tls_ptr tls_;
};

std::string text(const std::string& value) {
    return std::string{static_cast<char>(value.size() >> 8U), static_cast<char>(value.size() & 0xffU)} + value;
}
std::string packet(unsigned first, const std::string& body) {
    std::string bytes(1, static_cast<char>(first));
    for (std::size_t rest = body.size();;) {
        const auto more = rest >> 7U;
        bytes.push_back(static_cast<char>((rest & 0x7fU) | (more != 0 ? 0x80U : 0U)));
        if (more == 0)
            return bytes + body;
        rest = more;
    }
}
std::string connect_packet(const std::string& client_id, int keep_alive = 60, int flags = 2, int level = 4) {
    return packet(
        0x10,
        "\x00\x04MQTT"s + static_cast<char>(level) + static_cast<char>(flags) + '\0' + static_cast<char>(keep_alive) +
            text(client_id));
}
const std::string accepted = "\x20\x02\x00\x00"s;

struct fixture {
    test::pebble ca;
    test::temporary_folder folder;
    device_ca devices;
    std::uint16_t port = 0;
    int runs = 0;
    test::process broker = start();

    std::string file(const std::string& name) const { return folder / name; }

    test::process start() {
        test::write_file(file("server-root.pem"), ca.issuing_root_pem());
        test::write_file(file("devices.pem"), devices.root.chain_pem());
        test::write_file(file("hosts"), "127.0.0.1 mqtt.test\n");
        for (const auto* name : {"backend", "sensor-1", "sensor-2"})
            devices.issue(name, file(name + ".pem"s), file(name + ".key"s));
        port = test::free_port();
        return test::start_example(
            "iot_broker", ca, file("broker.log"), {port, ca.tls_port()},
            {"--port", std::to_string(port), "--validation-port", std::to_string(ca.tls_port()), "--host", "mqtt.test",
             "--client-ca", file("devices.pem"), "--operator", "backend"});
    }

    /// One of Debian's clients. The name server of a test knows no name that mosquitto could ask for, so nss_wrapper does.
    test::process mosquitto(const std::string& what, const std::string& who, std::vector<std::string> more) {
        // What they print is seen as they print it.
        std::vector<std::string> command{
            "stdbuf",
            "-oL",
            "mosquitto_" + what,
            "-h",
            "mqtt.test",
            "-p",
            std::to_string(port),
            "--cafile",
            file("server-root.pem")};
        if (!who.empty())
            command.insert(command.end(), {"--cert", file(who + ".pem"), "--key", file(who + ".key")});
        command.insert(command.end(), more.begin(), more.end());
        return {
            command,
            {{"LD_PRELOAD", "libnss_wrapper.so"}, {"NSS_WRAPPER_HOSTS", file("hosts")}},
            file(what + std::to_string(++runs))};
    }
    /// One that is subscribed, prints "topic message" lines, and ends after `count` of them.
    test::process subscribe(const std::string& who, int count, std::vector<std::string> more) {
        more.insert(more.end(), {"-d", "-v", "-C", std::to_string(count), "-W", "60"});
        auto started = mosquitto("sub", who, std::move(more));
        // It may have ended by then: what is retained comes at once.
        test::wait_until("it is subscribed", [&] { return started.log().find("Subscribed") != std::string::npos; });
        return started;
    }
    void publish(
        const std::string& who, const std::string& topic, const std::string& payload,
        std::vector<std::string> more = {}) {
        more.insert(more.end(), {"-t", topic, "-m", payload});
        auto started = mosquitto("pub", who, std::move(more));
        const int status = started.wait(patience);
        INFO(started.log() << broker.log());
        CHECK(status == 0);
    }

    raw_client raw(const std::string& who) {
        evercert::tls_client_context trusting{file("server-root.pem"), evercert::system_clock()};
        REQUIRE(SSL_CTX_use_certificate_chain_file(trusting.native_handle(), file(who + ".pem").c_str()) == 1);
        REQUIRE(
            SSL_CTX_use_PrivateKey_file(trusting.native_handle(), file(who + ".key").c_str(), SSL_FILETYPE_PEM) == 1);
        return raw_client{port, trusting};
    }
    void wait_for_log(const std::string& what) {
        test::wait_until(
            ("the broker logs " + what).c_str(), [&] { return broker.log().find(what) != std::string::npos; });
    }
};

}  // namespace

TEST_CASE("mosquitto's clients publish and subscribe at QoS 0 and 1, with wildcards, over mutual TLS") {
    fixture f;
    const auto qos = GENERATE(as<std::string>{}, "0", "1");
    auto all = f.subscribe("backend", 3, {"-t", "devices/+/temperature", "-t", "devices/sensor-2/#", "-q", qos});
    auto one = f.subscribe("sensor-2", 1, {"-t", "devices/sensor-1/temperature", "-q", qos});
    f.publish("sensor-1", "devices/sensor-1/pressure", "nobody asked", {"-q", qos});
    f.publish("sensor-1", "devices/sensor-1/temperature", "20.5", {"-q", qos});
    f.publish("sensor-2", "devices/sensor-2/temperature", "-3", {"-q", qos});
    f.publish("sensor-2", "devices/sensor-2/a/b", std::string(10'000, 'x'), {"-q", qos});
    CHECK(all.wait(patience) == 0);
    CHECK_THAT(all.log(), ContainsSubstring("devices/sensor-1/temperature 20.5\n"));
    CHECK_THAT(all.log(), ContainsSubstring("devices/sensor-2/temperature -3\n"));
    CHECK_THAT(all.log(), ContainsSubstring("devices/sensor-2/a/b " + std::string(10'000, 'x') + "\n"));
    CHECK_THAT(all.log(), !ContainsSubstring("nobody asked"));
    CHECK(one.wait(patience) == 0);
    CHECK_THAT(one.log(), ContainsSubstring("PUBLISH (d0, q" + qos + ", r0, "));
    CHECK_THAT(f.broker.log(), ContainsSubstring("\"sensor-1\" as ") && ContainsSubstring(", certificate "));
}

TEST_CASE("a message that is retained reaches those who subscribe later, until an empty one takes it away") {
    fixture f;
    f.publish("sensor-1", "devices/sensor-1/state", "on", {"-r", "-q", "1"});
    f.publish("sensor-1", "devices/sensor-1/other", "not kept", {"-q", "1"});
    auto later = f.subscribe("backend", 1, {"-t", "devices/sensor-1/#"});
    CHECK(later.wait(patience) == 0);
    CHECK_THAT(later.log(), ContainsSubstring("devices/sensor-1/state on\n") && ContainsSubstring(", r1, "));
    f.publish("sensor-1", "devices/sensor-1/state", "", {"-r", "-q", "1"});
    auto last = f.subscribe("backend", 1, {"-t", "devices/sensor-1/#"});
    f.publish("sensor-1", "devices/sensor-1/state", "live", {"-q", "1"});
    CHECK(last.wait(patience) == 0);
    CHECK_THAT(last.log(), ContainsSubstring("devices/sensor-1/state live\n") && !ContainsSubstring(", r1, "));
}

TEST_CASE("a client's last will is published when it dies, and not when it disconnects") {
    fixture f;
    auto watching = f.subscribe("backend", 2, {"-t", "devices/+/gone"});
    const std::vector<std::string> with_will{"-t", "x", "--will-topic", "devices/sensor-1/gone", "--will-payload"};
    auto polite = with_will, dying = with_will;
    polite.push_back("polite");
    dying.push_back("dead");
    auto leaves = f.subscribe("sensor-1", 1, polite);
    leaves.signal(SIGTERM);  // it says DISCONNECT then
    leaves.wait(patience);
    auto dies = f.subscribe("sensor-1", 1, dying);
    dies.signal(SIGKILL);
    dies.wait(patience);
    f.publish("backend", "devices/x/gone", "last");
    CHECK(watching.wait(patience) == 0);
    CHECK_THAT(watching.log(), ContainsSubstring("devices/sensor-1/gone dead\n") && !ContainsSubstring("polite"));
}

TEST_CASE("a client without a certificate, or with one of another CA, gets nowhere") {
    fixture f;
    device_ca{}.issue("sensor-1", f.file("foreign.pem"), f.file("foreign.key"));
    for (const auto* who : {"", "foreign"}) {
        auto refused = f.mosquitto("pub", who, {"-t", "devices/sensor-1/x", "-m", "x", "-q", "1"});
        CHECK(refused.wait(patience) != 0);
    }
    CHECK_THAT(f.broker.log(), !ContainsSubstring("connected, certificate"));
    f.publish("sensor-1", "devices/sensor-1/x", "x", {"-q", "1"});
}

TEST_CASE("a device publishes and leaves wills below its own name alone, and an operator everywhere") {
    fixture f;
    f.devices.issue("devices/sensor-1", f.file("slash.pem"), f.file("slash.key"));
    auto all = f.subscribe("backend", 1, {"-t", "#"});
    for (const auto* topic : {"devices/sensor-2/x", "devices/sensor-1", "devices/sensor-1/", "other", "$SYS/x"}) {
        auto client = f.raw("sensor-1");
        client.send(connect_packet("raw"));
        CHECK(client.receive(4) == accepted);
        client.send(packet(0x30, text(topic) + "refused"));
        CHECK(client.is_closed());
        f.wait_for_log("it may not publish to \""s + topic + "\"");
    }
    auto with_will = f.raw("sensor-1");
    with_will.send(
        packet(0x10, "\x00\x04MQTT\x04\x06\x00\x3c"s + text("raw") + text("devices/sensor-2/x") + text("refused")));
    CHECK(with_will.receive(5) == "\x20\x02\x00\x05"s);
    auto slash = f.raw("slash");
    slash.send(connect_packet("raw"));
    CHECK(slash.receive(5) == "\x20\x02\x00\x05"s);
    f.publish("backend", "orders/sensor-1", "allowed");
    CHECK(all.wait(patience) == 0);
    CHECK_THAT(all.log(), ContainsSubstring("orders/sensor-1 allowed\n") && !ContainsSubstring("refused"));
}

TEST_CASE("what is not in the broker's subset is refused clearly") {
    fixture f;
    const auto answer = [&](const std::string& bytes) {
        auto client = f.raw("sensor-1");
        client.send(bytes);
        return client.receive(5);
    };
    CHECK(answer(connect_packet("raw", 60, 2, 5)) == "\x20\x02\x00\x01"s);  // MQTT 5
    CHECK(answer(connect_packet("", 60, 0)) == "\x20\x02\x00\x02"s);        // no name for a session that would be kept
    CHECK(answer(connect_packet("raw", 60, 0)) == "\x20\x02\x00\x03"s);     // a session that would be kept
    CHECK(answer("\xc0\x00"s).empty());                                     // PINGREQ before CONNECT
    CHECK(answer("GET / HTTP/1.1\r\n\r\n").empty());
    CHECK(answer("\x30\xff\xff\xff\x7f"s).empty());  // 256 MB

    auto client = f.raw("sensor-1");
    client.send(connect_packet("raw"));
    CHECK(client.receive(4) == accepted);
    client.send(packet(0x82, "\x00\x07"s + text("a/#") + "\x02"));
    CHECK(client.receive(5) == "\x90\x03\x00\x07\x01"s);  // QoS 1 is what it gets
    client.send(packet(0xa2, "\x00\x08"s + text("a/#")) + "\xc0\x00"s);
    CHECK(client.receive(6) == "\xb0\x02\x00\x08\xd0\x00"s);
    client.send(packet(0x34, text("devices/sensor-1/x") + "\x00\x01twice"s));
    CHECK(client.is_closed());
    f.wait_for_log("there is no QoS 2 here");
}

TEST_CASE(
    "a client that keeps silent for one and a half times its keep alive is disconnected, and its will published") {
    fixture f;
    auto watching = f.subscribe("backend", 1, {"-t", "devices/+/gone"});
    auto silent = f.raw("sensor-1");
    const auto begin = std::chrono::steady_clock::now();
    silent.send(
        packet(0x10, "\x00\x04MQTT\x04\x06\x00\x01"s + text("raw") + text("devices/sensor-1/gone") + text("silent")));
    CHECK(silent.receive(4) == accepted);
    CHECK(silent.is_closed());
    CHECK(std::chrono::steady_clock::now() - begin > 1400ms);
    CHECK(watching.wait(patience) == 0);
    CHECK_THAT(watching.log(), ContainsSubstring("devices/sensor-1/gone silent\n"));
}

TEST_CASE("a client that comes again takes over from itself, and from nobody else") {
    fixture f;
    auto other = f.raw("sensor-2");
    other.send(connect_packet("name"));
    CHECK(other.receive(4) == accepted);
    auto first = f.raw("sensor-1");
    first.send(connect_packet("name"));
    CHECK(first.receive(4) == accepted);
    auto second = f.raw("sensor-1");
    second.send(connect_packet("name"));
    CHECK(second.receive(4) == accepted);
    CHECK(first.is_closed());
    for (auto* still : {&second, &other}) {
        still->send("\xc0\x00"s);
        CHECK(still->receive(2) == "\xd0\x00"s);
    }
}

TEST_CASE(
    "a subscriber that acknowledges nothing is disconnected when its queue is full; at QoS 0 it misses messages") {
    fixture f;
    auto at_once = f.raw("backend");
    at_once.send(connect_packet("at once"));
    CHECK(at_once.receive(4) == accepted);
    at_once.send(packet(0x82, "\x00\x01"s + text("devices/#") + "\x01"));
    CHECK(at_once.receive(5) == "\x90\x03\x00\x01\x01"s);
    auto sensor = f.raw("sensor-1");
    sensor.send(connect_packet("sensor"));
    CHECK(sensor.receive(4) == accepted);
    const std::string topic = text("devices/sensor-1/large");
    for (int i = 1; i <= 40; ++i) {
        sensor.send(packet(0x32, topic + '\0' + static_cast<char>(i) + std::string(60'000, 'x')));
        CHECK(sensor.receive(4) == "\x40\x02\x00"s + static_cast<char>(i));
    }
    f.wait_for_log("\"at once\" left: its queue is full");

    // Several megabytes: more than the kernel and the queue take.
    auto never_reads = f.raw("backend");
    never_reads.send(connect_packet("never reads"));
    never_reads.send(packet(0x82, "\x00\x01"s + text("devices/#") + '\0'));
    CHECK(never_reads.receive(9) == accepted + "\x90\x03\x00\x01\x00"s);
    for (int i = 0; i < 300; ++i)
        sensor.send(packet(0x30, topic + std::string(60'000, 'x')));
    sensor.send("\xc0\x00"s);
    CHECK(sensor.receive(2) == "\xd0\x00"s);
    never_reads.send("\xe0\x00"s);
    f.wait_for_log("\"never reads\" left: it disconnected; it was too slow for ");
}

TEST_CASE("iot_broker ends by either signal within two seconds, whoever is connected") {
    fixture f;
    auto connected = f.raw("sensor-1");
    connected.send(connect_packet("raw"));
    CHECK(connected.receive(4) == accepted);
    const auto waiting = f.raw("sensor-2");
    f.broker.signal(GENERATE(SIGTERM, SIGINT));
    CHECK(f.broker.wait(2s) == 0);
    CHECK(connected.is_closed());
}
