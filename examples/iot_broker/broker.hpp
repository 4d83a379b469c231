#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "mqtt.hpp"

namespace iot {

class session;

struct broker_options {
    /// The common names of clients that may publish everywhere.
    std::vector<std::string> operators = {};

    std::size_t packet_max = 64 << 10;
    /// What waits for a slow client, each message with `message_cost` more than its text. Beyond it a message of QoS 0 is dropped and
    /// counted; of QoS 1 a client may not miss any, so it is disconnected and knows.
    std::size_t queue_bytes_max = 1 << 20;
    /// Messages of QoS 1 that a client has not acknowledged; more wait in the queue.
    std::size_t in_flight_max = 20;
    std::size_t subscriptions_max = 100;  ///< of a client
    std::size_t retained_max = 10'000;
    std::size_t retained_bytes_max = 16 << 20;

    std::chrono::seconds connect_max{10};  ///< from the handshake to CONNECT
    std::chrono::seconds goodbye_max{1};   ///< for what is queued to go out when the broker ends a connection
};

inline constexpr std::size_t message_cost = 64;

/// Whether the client with this common name may publish to `topic`, or leave a will there: devices write below
/// `devices/<common name>/` and nowhere else, operators everywhere. Reading is free to every client with a certificate.
bool may_publish(const broker_options&, std::string_view common_name, std::string_view topic);

using message_ptr = std::shared_ptr<const mqtt::message>;

/// Who is connected, and what is retained. Routing is a walk over all subscriptions: the right thing for thousands
/// of devices with a few each; beyond that, a tree of levels would take its place behind the same two calls.
///
/// Used on one thread. Must outlive the io_context's work.
class broker {
public:
    explicit broker(broker_options options) : options_{std::move(options)} {}
    const broker_options& options() const noexcept { return options_; }

    /// Every connection, from its handshake to its end.
    void opened(const std::shared_ptr<session>&);
    void closed(const std::shared_ptr<session>&);
    /// A client has connected. One of before with the same common name and client identifier is ended (3.1.4): another
    /// common name's is another client, so that none can push another one out.
    void connected(session&);
    /// It is a client no more.
    void left(session&);

    /// To every subscriber now; and to later ones, if it is to be retained: an empty one takes away what was (3.3.1.3).
    void publish(const message_ptr&);
    void send_retained(session&, const mqtt::subscription&) const;

    void stop();
    bool stopped() const noexcept { return stopped_; }

private:
    void retain(const message_ptr&);

    const broker_options options_;
    bool stopped_ = false;
    std::unordered_set<std::shared_ptr<session>> sessions_;
    std::map<std::pair<std::string, std::string>, session*> clients_;
    std::map<std::string, message_ptr> retained_;
    std::size_t retained_bytes_ = 0;
};

}  // namespace iot
