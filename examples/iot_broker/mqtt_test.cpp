#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "mqtt.hpp"

using namespace std::string_literals;

namespace {

constexpr std::size_t any_size = 1 << 20;

mqtt::packet found_in(std::string_view bytes) {
    const auto found = mqtt::find_packet(bytes, any_size);
    REQUIRE(found);
    CHECK(found->size == bytes.size());
    return *found;
}

const std::string connect_of_sensor = "\x10\x18\x00\x04MQTT\x04\x02\x00\x3c\x00\x0csensor-seven"s;

}  // namespace

TEST_CASE("a filter takes the names that MQTT 3.1.1, section 4.7, says it does") {
    struct row {
        const char* filter;
        const char* name;
        bool matches;
    };
    const auto each = GENERATE(
        row{"a/b", "a/b", true}, row{"a/b", "a/c", false}, row{"a/b", "a", false}, row{"a/b", "a/b/c", false},
        row{"a", "/a", false}, row{"+", "a", true}, row{"+", "a/b", false}, row{"+", "/a", false},
        row{"+/+", "/finance", true}, row{"/+", "/finance", true}, row{"a/+", "a/", true}, row{"a/+", "a", false},
        row{"sport/+/player", "sport/x/player", true}, row{"sport/+/player", "sport/x/y/player", false},
        row{"#", "a", true}, row{"#", "a/b/c", true}, row{"#", "/", true}, row{"a/#", "a", true},
        row{"a/#", "a/b/c", true}, row{"a/#", "ab", false}, row{"a/#", "b/a", false}, row{"+/b/#", "a/b/c/d", true},
        row{"+/b/#", "a/b", true}, row{"a/+/#", "a", false}, row{"#", "$SYS/load", false},
        row{"+/load", "$SYS/load", false}, row{"$SYS/#", "$SYS/load", true}, row{"A", "a", false});
    CAPTURE(each.filter, each.name);
    CHECK(mqtt::matches(each.filter, each.name) == each.matches);
}

TEST_CASE("wildcards stand alone in their level, '#' in the last one, and in no name") {
    for (const auto* good : {"a", "/", "#", "+", "a/#", "+/+", "a/+/b/#", "a b", "\xc3\xa4/x"}) {
        CAPTURE(good);
        CHECK(mqtt::is_topic_filter(good));
    }
    for (const auto* bad : {"", "a#", "#/a", "a/#/b", "a+", "+a", "a/b+", "\xff", "\xc0\x80"}) {
        CAPTURE(bad);
        CHECK_FALSE(mqtt::is_topic_filter(bad));
    }
    CHECK(mqtt::is_topic_name("a/b"));
    CHECK_FALSE(mqtt::is_topic_name("a/+"));
    CHECK_FALSE(mqtt::is_topic_name("#"));
    CHECK_FALSE(mqtt::is_topic_name("a\0b"s));
    CHECK_FALSE(mqtt::is_topic_name(std::string(65536, 'a')));
    CHECK(mqtt::is_topic_level("sensor-7"));
    CHECK_FALSE(mqtt::is_topic_level("sensor/7"));
    CHECK_FALSE(mqtt::is_topic_level("\xed\xa0\x80"));  // a surrogate
}

TEST_CASE("a packet is found when its last byte is there, and not before") {
    const auto ping = "\xc0\x00"s;
    CHECK(found_in(ping).type == mqtt::packet_type::pingreq);
    for (std::size_t size = 0; size < connect_of_sensor.size(); ++size)
        CHECK_FALSE(mqtt::find_packet(connect_of_sensor.substr(0, size), any_size));
    CHECK(found_in(connect_of_sensor).body.size() == 0x18);
    CHECK(mqtt::find_packet(connect_of_sensor + ping, any_size)->size == connect_of_sensor.size());
    const auto longer = "\x30\x80\x01"s + std::string(128, 'x');
    CHECK(found_in(longer).body.size() == 128);
}

TEST_CASE("a packet is refused by its header if it is too long, or none") {
    CHECK(mqtt::find_packet(connect_of_sensor, connect_of_sensor.size()));
    CHECK_THROWS_AS(mqtt::find_packet(connect_of_sensor, connect_of_sensor.size() - 1), mqtt::protocol_error);
    CHECK_THROWS_AS(mqtt::find_packet("\x30\xff\xff\xff\x7f"s, any_size), mqtt::protocol_error);
    CHECK_THROWS_AS(mqtt::find_packet("\x30\xff\xff\xff\xff"s, any_size), mqtt::protocol_error);
    CHECK_THROWS_AS(mqtt::find_packet("\x00\x00"s, any_size), mqtt::protocol_error);
    CHECK_THROWS_AS(mqtt::find_packet("\xf0\x00"s, any_size), mqtt::protocol_error);
}

TEST_CASE("CONNECT says who, for how long, and what to publish at the end") {
    const auto plain = mqtt::parse_connect(found_in(connect_of_sensor));
    CHECK(plain.protocol_level == 4);
    CHECK(plain.clean_session);
    CHECK(plain.keep_alive == 60);
    CHECK(plain.client_id == "sensor-seven");
    CHECK_FALSE(plain.will);
    const auto full = mqtt::parse_connect(
        found_in("\x10\x21\x00\x04MQTT\x04\xee\x00\x0a\x00\x01s\x00\x03w/t\x00\x04gone\x00\x02me\x00\x03key"s));
    REQUIRE(full.will);
    CHECK(full.will->topic == "w/t");
    CHECK(full.will->payload == "gone");
    CHECK(full.will->qos == 1);
    CHECK(full.will->retain);
    CHECK(mqtt::parse_connect(found_in("\x10\x07\x00\x04MQTT\x05"s)).protocol_level == 5);
    CHECK(mqtt::parse_connect(found_in("\x10\x09\x00\x06MQIsdp\x03"s)).protocol_level == 3);
}

TEST_CASE("a CONNECT that contradicts itself or ends too soon is refused") {
    const auto bad = GENERATE(
        "\x11\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01s"s,                    // flags of the header
        "\x10\x0d\x00\x04HTTP\x04\x02\x00\x3c\x00\x01s"s,                    // another protocol
        "\x10\x0d\x00\x04MQTT\x04\x03\x00\x3c\x00\x01s"s,                    // a reserved flag
        "\x10\x0d\x00\x04MQTT\x04\x22\x00\x3c\x00\x01s"s,                    // a will's retain without a will
        "\x10\x10\x00\x04MQTT\x04\x42\x00\x3c\x00\x01s\x00\x01k"s,           // a password without a user name
        "\x10\x13\x00\x04MQTT\x04\x1e\x00\x3c\x00\x01s\x00\x01t\x00\x01p"s,  // a will of QoS 3
        "\x10\x13\x00\x04MQTT\x04\x06\x00\x3c\x00\x01s\x00\x01#\x00\x01p"s,  // a will for a wildcard
        "\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x01sx"s,                   // more than its fields
        "\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x01"s);                    // less
    const auto size = static_cast<std::size_t>(bad[1]) + 2;
    CHECK_THROWS_AS(mqtt::parse_connect(found_in(std::string_view{bad}.substr(0, size))), mqtt::protocol_error);
}

TEST_CASE("PUBLISH has a topic, an identifier above QoS 0, and the rest is payload") {
    const auto none = mqtt::parse_publish(found_in("\x31\x07\x00\x03t/1hi"s));
    CHECK(none.what.topic == "t/1");
    CHECK(none.what.payload == "hi");
    CHECK(none.what.qos == 0);
    CHECK(none.what.retain);
    const auto once = mqtt::parse_publish(found_in("\x3a\x05\x00\x01t\x12\x34"s));
    CHECK(once.id == 0x1234);
    CHECK(once.what.qos == 1);
    CHECK(once.what.payload.empty());
    for (const auto& bad :
         {"\x32\x05\x00\x01t\x00\x00"s, "\x36\x05\x00\x01t\x12\x34"s, "\x38\x03\x00\x01t"s, "\x30\x03\x00\x01+"s,
          "\x30\x02\x00\x00"s, "\x30\x03\x00\x02t"s})
        CHECK_THROWS_AS(mqtt::parse_publish(found_in(bad)), mqtt::protocol_error);
}

TEST_CASE("SUBSCRIBE and UNSUBSCRIBE have at least one filter") {
    const auto read = mqtt::parse_subscribe(found_in("\x82\x0b\x00\x07\x00\x01#\x01\x00\x02+/\x02"s));
    CHECK(read.id == 7);
    CHECK(read.wanted == std::vector<mqtt::subscription>{{"#", 1}, {"+/", 2}});
    const auto left = mqtt::parse_unsubscribe(found_in("\xa2\x05\x00\x08\x00\x01#"s));
    CHECK(left.id == 8);
    CHECK(left.filters == std::vector<std::string>{"#"});
    CHECK_THROWS_AS(mqtt::parse_subscribe(found_in("\x82\x02\x00\x07"s)), mqtt::protocol_error);
    CHECK_THROWS_AS(mqtt::parse_subscribe(found_in("\x80\x06\x00\x07\x00\x01#\x01"s)), mqtt::protocol_error);
    CHECK_THROWS_AS(mqtt::parse_subscribe(found_in("\x82\x06\x00\x07\x00\x01#\x03"s)), mqtt::protocol_error);
    CHECK_THROWS_AS(mqtt::parse_unsubscribe(found_in("\xa2\x02\x00\x07"s)), mqtt::protocol_error);
}

TEST_CASE("what the broker sends is what clients expect, byte for byte") {
    CHECK(mqtt::connack(mqtt::connect_code::not_authorized) == "\x20\x02\x00\x05"s);
    CHECK(mqtt::puback(0x1234) == "\x40\x02\x12\x34"s);
    CHECK(mqtt::unsuback(1) == "\xb0\x02\x00\x01"s);
    CHECK(mqtt::pingresp() == "\xd0\x00"s);
    CHECK(mqtt::suback(2, {0, 1, mqtt::suback_failure}) == "\x90\x05\x00\x02\x00\x01\x80"s);
    const mqtt::message what{"t/1", "hi", 1, true};
    CHECK(mqtt::publish_header(what, 0, true, 9) + what.payload == "\x31\x07\x00\x03t/1hi"s);
    CHECK(mqtt::publish_header(what, 1, false, 9) + what.payload == "\x32\x09\x00\x03t/1\x00\x09hi"s);
    const mqtt::message large{"t", std::string(200, 'x'), 0, false};
    CHECK(mqtt::publish_header(large, 0, false, 0) == "\x30\xcb\x01\x00\x01t"s);
}
