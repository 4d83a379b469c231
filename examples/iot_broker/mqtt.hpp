#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

/// MQTT 3.1.1 (OASIS standard) as bytes: no connections, no state. The numbers are the standard's sections.
namespace mqtt {

/// What the peer sent is not of the protocol, or not of the part that is spoken here: the connection ends (4.8).
struct protocol_error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

enum class packet_type : std::uint8_t {
    connect = 1,
    connack,
    publish,
    puback,
    pubrec,
    pubrel,
    pubcomp,
    subscribe,
    suback,
    unsubscribe,
    unsuback,
    pingreq,
    pingresp,
    disconnect,
};

/// A control packet (2.2), as it lies in the bytes that it was found in.
struct packet {
    packet_type type{};
    std::uint8_t flags = 0;
    std::string_view body;
    std::size_t size = 0;  ///< with its header
};

/// The packet that `bytes` begin with; nothing if it is not complete. Throws `protocol_error` for a type or a length that
/// cannot be, and as soon as it is known that the packet is longer than `packet_max`.
std::optional<packet> find_packet(std::string_view bytes, std::size_t packet_max);

/// An application message.
struct message {
    std::string topic;
    std::string payload;
    std::uint8_t qos = 0;
    bool retain = false;
};

enum class connect_code : std::uint8_t {  // 3.2.2.3
    accepted,
    unacceptable_protocol_version,
    identifier_rejected,
    server_unavailable,
    bad_user_name_or_password,
    not_authorized,
};

struct connect_packet {
    std::uint8_t protocol_level = 0;  ///< 4 is 3.1.1; of another one nothing else was read
    bool clean_session = false;
    std::uint16_t keep_alive = 0;  ///< seconds; 0 = none
    std::string client_id;
    std::optional<message> will;
};

struct publish_packet {
    message what;
    std::uint16_t id = 0;  ///< above QoS 0
};

struct subscription {
    std::string filter;
    std::uint8_t qos = 0;
    friend bool operator==(const subscription&, const subscription&) = default;
};

struct subscribe_packet {
    std::uint16_t id = 0;
    std::vector<subscription> wanted;
};

struct unsubscribe_packet {
    std::uint16_t id = 0;
    std::vector<std::string> filters;
};

// Each takes a packet of its type and throws `protocol_error`.
connect_packet parse_connect(const packet&);
publish_packet parse_publish(const packet&);
std::uint16_t parse_puback(const packet&);
subscribe_packet parse_subscribe(const packet&);
unsubscribe_packet parse_unsubscribe(const packet&);
/// PINGREQ and DISCONNECT, which say nothing.
void check_empty(const packet&);

std::string connack(connect_code);
std::string puback(std::uint16_t id);
inline constexpr std::uint8_t suback_failure = 0x80;
std::string suback(std::uint16_t id, const std::vector<std::uint8_t>& codes);
std::string unsuback(std::uint16_t id);
std::string pingresp();
/// What precedes the payload. `id` is of no meaning for QoS 0.
std::string publish_header(const message&, std::uint8_t qos, bool retain, std::uint16_t id);

/// UTF-8 without U+0000 (1.5.3), of 1 to 65535 bytes (4.7.3).
bool is_text(std::string_view) noexcept;
/// A name without wildcards.
bool is_topic_name(std::string_view) noexcept;
/// A name in which a level may be `+`, and the last one `#`.
bool is_topic_filter(std::string_view) noexcept;
/// A name of one level.
bool is_topic_level(std::string_view) noexcept;
/// Whether a filter takes a name, both valid (4.7). No wildcard takes a first level that begins with `$`.
bool matches(std::string_view filter, std::string_view name) noexcept;

}  // namespace mqtt
