#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>

#include <evercert/tls_stream.hpp>

#include "broker.hpp"

namespace iot {

/// A connection, and the client on it from CONNECT on. Used on one thread.
class session : public std::enable_shared_from_this<session> {
public:
    session(broker&, evercert::tls_stream connection);

    /// From the handshake to the end of the connection.
    static asio::awaitable<void> run(std::shared_ptr<session> self);

    /// Who it is: the common name of its certificate, which was verified, and the identifier that it chose.
    const std::string& common_name() const noexcept { return common_name_; }
    const std::string& client_id() const noexcept { return client_id_; }
    /// The highest QoS of its subscriptions to the topic; nothing if there is none.
    std::optional<std::uint8_t> granted(std::string_view topic) const;
    /// Queue a message. Does not end the session before it returns.
    void deliver(message_ptr, std::uint8_t qos, bool retained);
    /// It is no client from now on, and its will is published; what is queued goes out, and the connection is closed. The
    /// first reason counts.
    void end(const std::string& why);

private:
    using clock = std::chrono::steady_clock;
    struct outgoing {
        message_ptr what;
        std::uint8_t qos = 0;
        bool retained = false;
    };

    // The three coroutines of a connection.
    static asio::awaitable<void> read(std::shared_ptr<session> self);
    static asio::awaitable<void> write(std::shared_ptr<session> self);
    /// Closes the connection at `deadline_`.
    static asio::awaitable<void> watch(std::shared_ptr<session> self);

    void handle(const mqtt::packet&);
    void handle_connect(const mqtt::packet&);
    mqtt::connect_code answer_to(mqtt::connect_packet&);
    void handle_publish(const mqtt::packet&);
    void handle_subscribe(const mqtt::packet&);
    void handle_unsubscribe(const mqtt::packet&);

    void send(std::string control);
    /// What goes out next, in `header_` and `payload_`.
    bool take_next();
    std::uint16_t next_id();
    bool has_room_for(std::size_t bytes);
    void heard();
    void say(const std::string& what) const;

    broker& broker_;
    evercert::tls_stream connection_;
    std::string common_name_;
    std::string client_id_;
    std::chrono::milliseconds keep_alive_{0};
    message_ptr will_;
    std::vector<mqtt::subscription> subscriptions_;

    bool connected_ = false;
    bool ending_ = false;  ///< nothing is handled any more
    bool over_ = false;    ///< the connection is closed
    clock::time_point deadline_;

    std::deque<std::string> control_;
    std::deque<outgoing> messages_;
    std::size_t queued_bytes_ = 0;
    std::uint64_t dropped_ = 0;
    std::set<std::uint16_t> in_flight_;
    std::uint16_t last_id_ = 0;
    std::string header_;
    message_ptr payload_;

    asio::steady_timer has_work_;  // never expires: cancelled when there is something to write
    asio::steady_timer watch_;
};

}  // namespace iot
