#include "mqtt.hpp"

#include <algorithm>
#include <utility>

namespace mqtt {

namespace {

constexpr std::size_t length_bytes_max = 4;

/// Reads fields from the front, and never beyond the end.
class fields {
public:
    explicit fields(std::string_view bytes) : rest_{bytes} {}

    std::uint8_t u8() { return static_cast<std::uint8_t>(take(1).front()); }
    std::uint16_t u16() {
        const auto high = u8();
        return static_cast<std::uint16_t>(high << 8U | u8());
    }
    /// 0 stands for no packet (2.3.1).
    std::uint16_t packet_id() {
        const auto id = u16();
        if (id == 0)
            throw protocol_error{"a packet identifier is 0"};
        return id;
    }
    std::string binary() { return std::string{take(u16())}; }
    std::string text() {
        auto value = binary();
        if (!value.empty() && !is_text(value))
            throw protocol_error{"a text is not UTF-8"};
        return value;
    }
    std::string rest() { return std::string{take(rest_.size())}; }
    bool at_end() const noexcept { return rest_.empty(); }
    void expect_end() const {
        if (!at_end())
            throw protocol_error{"a packet has more than its fields"};
    }

private:
    std::string_view take(std::size_t size) {
        if (size > rest_.size())
            throw protocol_error{"a packet ends within a field"};
        const auto taken = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return taken;
    }

    std::string_view rest_;
};

void expect_flags(const packet& read, std::uint8_t flags) {
    if (read.flags != flags)
        throw protocol_error{"a packet has reserved flags"};
}

std::uint8_t checked_qos(unsigned qos) {
    if (qos > 2)
        throw protocol_error{"there is no QoS 3"};
    return static_cast<std::uint8_t>(qos);
}

void append_u16(std::string& to, std::size_t value) {
    to.push_back(static_cast<char>(value >> 8U & 0xffU));
    to.push_back(static_cast<char>(value & 0xffU));
}

std::string header(packet_type type, unsigned flags, std::size_t length) {
    std::string bytes(1, static_cast<char>(static_cast<unsigned>(type) << 4U | flags));
    do {
        const auto more = length >> 7U;
        bytes.push_back(static_cast<char>((length & 0x7fU) | (more != 0 ? 0x80U : 0U)));
        length = more;
    } while (length != 0);
    return bytes;
}

std::string acknowledgement(packet_type type, std::uint16_t id) {
    auto bytes = header(type, 0, 2);
    append_u16(bytes, id);
    return bytes;
}

/// Cuts the first level off.
std::string_view next_level(std::string_view& rest, bool& last) noexcept {
    const auto slash = rest.find('/');
    last = slash == rest.npos;
    const auto level = rest.substr(0, slash);
    rest.remove_prefix(last ? rest.size() : slash + 1);
    return level;
}

}  // namespace

std::optional<packet> find_packet(std::string_view bytes, std::size_t packet_max) {
    std::size_t length = 0;
    for (std::size_t i = 1; i < bytes.size(); ++i) {
        const auto byte = static_cast<unsigned char>(bytes[i]);
        length |= static_cast<std::size_t>(byte & 0x7fU) << 7U * (i - 1);
        if ((byte & 0x80U) != 0) {
            if (i == length_bytes_max)
                throw protocol_error{"a length has more than four bytes"};
            continue;
        }
        const std::size_t begin = i + 1;
        if (length > packet_max - std::min(begin, packet_max))
            throw protocol_error{"a packet is longer than " + std::to_string(packet_max) + " bytes"};
        if (bytes.size() - begin < length)
            return {};
        const auto first = static_cast<unsigned char>(bytes[0]);
        const unsigned type = first >> 4U;
        if (type == 0 || type > static_cast<unsigned>(packet_type::disconnect))
            throw protocol_error{"there is no such packet"};
        packet found;
        found.type = static_cast<packet_type>(type);
        found.flags = first & 0x0fU;
        found.body = bytes.substr(begin, length);
        found.size = begin + length;
        return found;
    }
    return {};
}

connect_packet parse_connect(const packet& read) {
    expect_flags(read, 0);
    fields from{read.body};
    const auto protocol = from.text();
    if (protocol != "MQTT" && protocol != "MQIsdp")  // the latter is 3.1
        throw protocol_error{"the protocol is not MQTT"};
    connect_packet result;
    result.protocol_level = from.u8();
    if (result.protocol_level != 4 || protocol != "MQTT") {
        result.protocol_level = result.protocol_level == 4 ? 3 : result.protocol_level;
        return result;
    }
    const unsigned flags = from.u8();
    const bool has_will = (flags & 0x04U) != 0, has_user = (flags & 0x80U) != 0, has_password = (flags & 0x40U) != 0;
    if ((flags & 0x01U) != 0 || (!has_will && (flags & 0x38U) != 0) || (has_password && !has_user))
        throw protocol_error{"the flags of CONNECT contradict each other"};
    result.clean_session = (flags & 0x02U) != 0;
    result.keep_alive = from.u16();
    result.client_id = from.text();
    if (has_will) {
        auto& will = result.will.emplace();
        will.topic = from.text();
        if (!is_topic_name(will.topic))
            throw protocol_error{"the will has no topic"};
        will.payload = from.binary();
        will.qos = checked_qos(flags >> 3U & 0x03U);
        will.retain = (flags & 0x20U) != 0;
    }
    if (has_user)
        from.text();
    if (has_password)
        from.binary();
    from.expect_end();
    return result;
}

publish_packet parse_publish(const packet& read) {
    fields from{read.body};
    publish_packet result;
    result.what.qos = checked_qos(read.flags >> 1U & 0x03U);
    result.what.retain = (read.flags & 0x01U) != 0;
    if (result.what.qos == 0 && (read.flags & 0x08U) != 0)
        throw protocol_error{"a message of QoS 0 is no duplicate"};
    result.what.topic = from.text();
    if (!is_topic_name(result.what.topic))
        throw protocol_error{"a message has no topic name"};
    if (result.what.qos > 0)
        result.id = from.packet_id();
    result.what.payload = from.rest();
    return result;
}

std::uint16_t parse_puback(const packet& read) {
    expect_flags(read, 0);
    fields from{read.body};
    const auto id = from.packet_id();
    from.expect_end();
    return id;
}

subscribe_packet parse_subscribe(const packet& read) {
    expect_flags(read, 2);
    fields from{read.body};
    subscribe_packet result;
    result.id = from.packet_id();
    do {
        subscription wanted;
        wanted.filter = from.text();
        if (!is_topic_filter(wanted.filter))
            throw protocol_error{"a topic filter is none"};
        wanted.qos = checked_qos(from.u8());
        result.wanted.push_back(std::move(wanted));
    } while (!from.at_end());
    return result;
}

unsubscribe_packet parse_unsubscribe(const packet& read) {
    expect_flags(read, 2);
    fields from{read.body};
    unsubscribe_packet result;
    result.id = from.packet_id();
    do {
        result.filters.push_back(from.text());
        if (!is_topic_filter(result.filters.back()))
            throw protocol_error{"a topic filter is none"};
    } while (!from.at_end());
    return result;
}

void check_empty(const packet& read) {
    expect_flags(read, 0);
    fields{read.body}.expect_end();
}

std::string connack(connect_code code) {
    auto bytes = header(packet_type::connack, 0, 2);
    bytes.push_back('\0');  // no session of before
    bytes.push_back(static_cast<char>(code));
    return bytes;
}

std::string puback(std::uint16_t id) { return acknowledgement(packet_type::puback, id); }
std::string unsuback(std::uint16_t id) { return acknowledgement(packet_type::unsuback, id); }
std::string pingresp() { return header(packet_type::pingresp, 0, 0); }

std::string suback(std::uint16_t id, const std::vector<std::uint8_t>& codes) {
    auto bytes = header(packet_type::suback, 0, 2 + codes.size());
    append_u16(bytes, id);
    bytes.append(codes.begin(), codes.end());
    return bytes;
}

std::string publish_header(const message& what, std::uint8_t qos, bool retain, std::uint16_t id) {
    const std::size_t id_size = qos > 0 ? 2 : 0;
    const unsigned flags = static_cast<unsigned>(qos) << 1U | (retain ? 1U : 0U);
    auto bytes = header(packet_type::publish, flags, 2 + what.topic.size() + id_size + what.payload.size());
    append_u16(bytes, what.topic.size());
    bytes += what.topic;
    if (qos > 0)
        append_u16(bytes, id);
    return bytes;
}

bool is_text(std::string_view text) noexcept {
    if (text.empty() || text.size() > 0xffff)
        return false;
    for (std::size_t i = 0; i < text.size();) {
        const auto lead = static_cast<unsigned char>(text[i++]);
        if (lead == 0)
            return false;
        if (lead < 0x80)
            continue;
        const int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
        if (lead < 0xc2 || lead > 0xf4)
            return false;
        unsigned code = lead & (0x3fU >> static_cast<unsigned>(more));
        for (int n = 0; n < more; ++n, ++i) {
            if (i == text.size() || (static_cast<unsigned char>(text[i]) & 0xc0U) != 0x80)
                return false;
            code = code << 6U | (static_cast<unsigned char>(text[i]) & 0x3fU);
        }
        const bool overlong = (more == 2 && code < 0x800) || (more == 3 && code < 0x10000);
        if (overlong || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            return false;
    }
    return true;
}

bool is_topic_name(std::string_view name) noexcept { return is_text(name) && name.find_first_of("+#") == name.npos; }

bool is_topic_level(std::string_view name) noexcept { return is_topic_name(name) && name.find('/') == name.npos; }

bool is_topic_filter(std::string_view filter) noexcept {
    if (!is_text(filter))
        return false;
    for (bool last = false; !last;) {
        const auto level = next_level(filter, last);
        const bool wild = level.find_first_of("+#") != level.npos;
        if (wild && (level.size() != 1 || (level == "#" && !last)))
            return false;
    }
    return true;
}

bool matches(std::string_view filter, std::string_view name) noexcept {
    if (name.starts_with('$') && !filter.starts_with('$'))
        return false;
    for (;;) {
        bool filter_ends = false, name_ends = false;
        const auto wanted = next_level(filter, filter_ends);
        if (wanted == "#")
            return true;
        const auto level = next_level(name, name_ends);
        if (wanted != "+" && wanted != level)
            return false;
        if (name_ends)  // "a/#" takes "a", too
            return filter_ends || filter == "#";
        if (filter_ends)
            return false;
    }
}

}  // namespace mqtt
