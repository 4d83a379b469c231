#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

/// The protocol. A message is its length in two bytes, big-endian, and as many bytes, the first of which says what it is.
/// Numbers are big-endian.
///
///     client   'S' i8 dx, i8 dy              steer: so far in each tick from now on; at least once a minute, to say
///                                            that it is still there
///     server   'W' u32 player, u16 rate      welcome: who you are, and ticks a second
///              'T' u32 tick, u32 dropped     a tick; how many of them your connection was too slow for so far
///              'P' n times u32 player,       who is where, in a part of the world that you see
///                  i16 x, i16 y
///              'G' text                      goodbye, and why; nothing comes after it
namespace game {

/// Whatever is longer than a client's longest message with room to grow is not of this protocol.
inline constexpr std::size_t client_message_max = 64;
inline constexpr std::size_t length_size = 2;

using player_id = std::uint32_t;

struct position {
    std::int16_t x = 0;
    std::int16_t y = 0;
    friend bool operator==(const position&, const position&) = default;
};

struct velocity {
    std::int8_t x = 0;
    std::int8_t y = 0;
    friend bool operator==(const velocity&, const velocity&) = default;
};

/// What a client sent is not of the protocol; the text is for the client.
struct protocol_error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// What follows a length. Throws `protocol_error` for one that no client's message has.
inline std::size_t client_message_size(std::span<const unsigned char, length_size> length) {
    const std::size_t size = length[0] << 8U | length[1];
    if (size == 0 || size > client_message_max)
        throw protocol_error{"messages are 1 to " + std::to_string(client_message_max) + " bytes long"};
    return size;
}

/// Throws `protocol_error` if it is no 'S'.
inline velocity parse_client_message(std::span<const unsigned char> message) {
    if (message.size() != 3 || message[0] != 'S')
        throw protocol_error{"there is no such message"};
    return {static_cast<std::int8_t>(message[1]), static_cast<std::int8_t>(message[2])};
}

/// A message of the server's, piece by piece.
class message_writer {
public:
    explicit message_writer(char type) : bytes_(length_size, '\0') { bytes_.push_back(type); }

    message_writer& u16(std::uint16_t value) {
        bytes_.push_back(static_cast<char>(value >> 8U));
        bytes_.push_back(static_cast<char>(value & 0xffU));
        return *this;
    }
    message_writer& u32(std::uint32_t value) {
        return u16(static_cast<std::uint16_t>(value >> 16U)).u16(static_cast<std::uint16_t>(value & 0xffffU));
    }
    message_writer& text(std::string_view value) {
        bytes_.append(value);
        return *this;
    }
    /// With its length. Throws `std::length_error` if that does not fit.
    std::string finish() {
        const auto size = bytes_.size() - length_size;
        if (size > 0xffff)
            throw std::length_error{"a message of the game is too long"};
        bytes_[0] = static_cast<char>(size >> 8U);
        bytes_[1] = static_cast<char>(size & 0xffU);
        return std::move(bytes_);
    }

private:
    std::string bytes_;
};

inline std::string welcome(player_id who, unsigned ticks_per_second) {
    return message_writer{'W'}.u32(who).u16(static_cast<std::uint16_t>(ticks_per_second)).finish();
}
inline std::string tick_header(std::uint32_t tick, std::uint32_t dropped) {
    return message_writer{'T'}.u32(tick).u32(dropped).finish();
}
inline std::string goodbye(std::string_view why) { return message_writer{'G'}.text(why).finish(); }

}  // namespace game
