#include "session.hpp"

#include <algorithm>
#include <array>
#include <iostream>
#include <system_error>
#include <utility>

#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <evercert/error.hpp>
#include <evercert/rethrow.hpp>

namespace iot {

session::session(broker& of, evercert::tls_stream connection)
    : broker_{of},
      connection_{std::move(connection)},
      deadline_{clock::now() + of.options().connect_max},
      has_work_{connection_.get_executor(), clock::time_point::max()},
      watch_{connection_.get_executor()} {
    if (auto client = connection_.client())
        common_name_ = std::move(client->common_name);
}

asio::awaitable<void> session::run(std::shared_ptr<session> self) {
    self->broker_.opened(self);
    asio::co_spawn(self->connection_.get_executor(), write(self), evercert::rethrow);
    asio::co_spawn(self->connection_.get_executor(), watch(self), evercert::rethrow);
    std::string why;
    try {
        co_await read(self);
    } catch (const mqtt::protocol_error& refused) {
        why = refused.what();
    } catch (const std::system_error& broken) {
        why = broken.code().message();
    }
    self->end(why);
    // The peer gets what is queued, and has until the deadline to close: a reset would take it away.
    std::array<char, 512> dropped;
    std::error_code ended;
    while (!ended)
        co_await self->connection_.async_read_some(
            asio::buffer(dropped), asio::redirect_error(asio::use_awaitable, ended));
    self->over_ = true;
    self->connection_.close();
    self->has_work_.cancel();
    self->watch_.cancel();
    self->broker_.closed(self);
}

asio::awaitable<void> session::read(std::shared_ptr<session> self) {
    std::string bytes;
    std::array<char, 4096> piece;
    while (!self->ending_) {
        std::size_t done = 0;
        while (const auto found =
                   mqtt::find_packet(std::string_view{bytes}.substr(done), self->broker_.options().packet_max)) {
            done += found->size;
            self->handle(*found);
            if (self->ending_)
                co_return;
        }
        bytes.erase(0, done);
        const auto size = co_await self->connection_.async_read_some(asio::buffer(piece), asio::use_awaitable);
        bytes.append(piece.data(), size);
    }
}

asio::awaitable<void> session::write(std::shared_ptr<session> self) {
    try {
        while (!self->over_) {
            if (self->take_next()) {
                std::array<asio::const_buffer, 2> pieces{asio::buffer(self->header_), asio::const_buffer{}};
                if (self->payload_)
                    pieces[1] = asio::buffer(self->payload_->payload);
                co_await asio::async_write(self->connection_, pieces, asio::use_awaitable);
            } else if (self->ending_) {
                self->connection_.shutdown_write();
                co_return;
            } else {
                std::error_code woken;
                co_await self->has_work_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
            }
        }
    } catch (const std::system_error&) {
        self->connection_.close();  // which ends the reader, too
    }
}

asio::awaitable<void> session::watch(std::shared_ptr<session> self) {
    while (!self->over_) {
        if (clock::now() >= self->deadline_) {
            if (!self->ending_)
                self->end(self->connected_ ? "it kept silent for longer than its keep alive" : "it sent no CONNECT");
            self->connection_.close();
            co_return;
        }
        self->watch_.expires_at(self->deadline_);
        std::error_code changed;
        co_await self->watch_.async_wait(asio::redirect_error(asio::use_awaitable, changed));
    }
}

void session::end(const std::string& why) {
    if (ending_)
        return;
    ending_ = true;
    deadline_ = clock::now() + broker_.options().goodbye_max;
    watch_.cancel();
    messages_.clear();
    has_work_.cancel();
    if (!std::exchange(connected_, false))
        return;
    auto text = "left: " + why;
    if (dropped_ > 0)
        text += "; it was too slow for " + std::to_string(dropped_) + " messages";
    say(text);
    broker_.left(*this);
    subscriptions_.clear();
    if (const auto will = std::exchange(will_, nullptr); will && !broker_.stopped())
        broker_.publish(will);
}

void session::handle(const mqtt::packet& read) {
    using mqtt::packet_type;
    if (!connected_ && read.type != packet_type::connect)
        throw mqtt::protocol_error{"the first packet is no CONNECT"};
    switch (read.type) {
    case packet_type::connect: handle_connect(read); break;
    case packet_type::publish: handle_publish(read); break;
    case packet_type::puback:
        in_flight_.erase(mqtt::parse_puback(read));
        has_work_.cancel();
        break;
    case packet_type::subscribe: handle_subscribe(read); break;
    case packet_type::unsubscribe: handle_unsubscribe(read); break;
    case packet_type::pingreq:
        mqtt::check_empty(read);
        send(mqtt::pingresp());
        break;
    case packet_type::disconnect:
        mqtt::check_empty(read);
        will_.reset();
        end("it disconnected");
        return;
    default: throw mqtt::protocol_error{"a packet that clients do not send here"};
    }
    if (!ending_)
        heard();
}

void session::handle_connect(const mqtt::packet& read) {
    if (connected_)
        throw mqtt::protocol_error{"a second CONNECT"};
    auto wanted = mqtt::parse_connect(read);
    const auto code = answer_to(wanted);
    send(mqtt::connack(code));
    if (code != mqtt::connect_code::accepted) {
        say("refused with code " + std::to_string(static_cast<int>(code)));
        return end("refused");
    }
    client_id_ = std::move(wanted.client_id);
    keep_alive_ = std::chrono::seconds{wanted.keep_alive};
    if (wanted.will)
        will_ = std::make_shared<const mqtt::message>(std::move(*wanted.will));
    connected_ = true;
    broker_.connected(*this);
    say("connected, certificate " + connection_.client()->fingerprint.substr(0, 16));
}

mqtt::connect_code session::answer_to(mqtt::connect_packet& wanted) {
    using mqtt::connect_code;
    if (wanted.protocol_level != 4)
        return connect_code::unacceptable_protocol_version;
    // In a topic it must be one level, or "a/b" would write to what is a's.
    if (!mqtt::is_topic_level(common_name_))
        return connect_code::not_authorized;
    if (wanted.client_id.empty()) {
        if (!wanted.clean_session)
            return connect_code::identifier_rejected;
        // Unique as long as the object is here (3.1.3.1).
        wanted.client_id = "auto-" + std::to_string(reinterpret_cast<std::uintptr_t>(this));
    }
    if (!wanted.clean_session)
        return connect_code::server_unavailable;
    if (wanted.will) {
        if (wanted.will->qos == 2)
            throw mqtt::protocol_error{"there is no QoS 2 here"};
        if (!may_publish(broker_.options(), common_name_, wanted.will->topic))
            return connect_code::not_authorized;
    }
    return connect_code::accepted;
}

void session::handle_publish(const mqtt::packet& read) {
    auto published = mqtt::parse_publish(read);
    if (published.what.qos == 2)
        throw mqtt::protocol_error{"there is no QoS 2 here"};
    // 3.1.1 has no other answer to what is not allowed (3.3.5).
    if (!may_publish(broker_.options(), common_name_, published.what.topic))
        throw mqtt::protocol_error{"it may not publish to " + evercert::quoted(published.what.topic)};
    const auto qos = published.what.qos;
    broker_.publish(std::make_shared<const mqtt::message>(std::move(published.what)));
    if (qos == 1)
        send(mqtt::puback(published.id));
}

void session::handle_subscribe(const mqtt::packet& read) {
    const auto asked = mqtt::parse_subscribe(read);
    std::vector<std::uint8_t> codes;
    std::vector<mqtt::subscription> added;
    for (auto wanted : asked.wanted) {
        wanted.qos = std::min<std::uint8_t>(wanted.qos, 1);
        const auto same = std::ranges::find(subscriptions_, wanted.filter, &mqtt::subscription::filter);
        if (same != subscriptions_.end()) {
            same->qos = wanted.qos;
        } else if (subscriptions_.size() < broker_.options().subscriptions_max) {
            subscriptions_.push_back(wanted);
        } else {
            codes.push_back(mqtt::suback_failure);
            continue;
        }
        codes.push_back(wanted.qos);
        added.push_back(std::move(wanted));
    }
    send(mqtt::suback(asked.id, codes));
    for (const auto& each : added)
        broker_.send_retained(*this, each);
}

void session::handle_unsubscribe(const mqtt::packet& read) {
    const auto asked = mqtt::parse_unsubscribe(read);
    for (const auto& filter : asked.filters)
        std::erase_if(subscriptions_, [&](const mqtt::subscription& each) { return each.filter == filter; });
    send(mqtt::unsuback(asked.id));
}

std::optional<std::uint8_t> session::granted(std::string_view topic) const {
    std::optional<std::uint8_t> best;
    for (const auto& each : subscriptions_)
        if (mqtt::matches(each.filter, topic))
            best = std::max(best.value_or(0), each.qos);
    return best;
}

void session::deliver(message_ptr what, std::uint8_t qos, bool retained) {
    if (ending_)
        return;
    const auto cost = what->topic.size() + what->payload.size() + message_cost;
    if (!has_room_for(cost)) {
        ++dropped_;
        // Not at once: whoever publishes walks over the sessions, and the end of one publishes, too.
        if (qos > 0)
            asio::post(connection_.get_executor(), [self = shared_from_this()] { self->end("its queue is full"); });
        return;
    }
    queued_bytes_ += cost;
    messages_.push_back({std::move(what), qos, retained});
    has_work_.cancel();
}

void session::send(std::string control) {
    if (!has_room_for(control.size() + message_cost))
        throw mqtt::protocol_error{"it does not read what it asked for"};
    queued_bytes_ += control.size() + message_cost;
    control_.push_back(std::move(control));
    has_work_.cancel();
}

bool session::take_next() {
    payload_.reset();
    if (!control_.empty()) {
        header_ = std::move(control_.front());
        control_.pop_front();
        queued_bytes_ -= header_.size() + message_cost;
        return true;
    }
    if (messages_.empty() || (messages_.front().qos > 0 && in_flight_.size() >= broker_.options().in_flight_max))
        return false;
    auto next = std::move(messages_.front());
    messages_.pop_front();
    queued_bytes_ -= next.what->topic.size() + next.what->payload.size() + message_cost;
    std::uint16_t id = 0;
    if (next.qos > 0) {
        id = next_id();
        in_flight_.insert(id);
    }
    header_ = mqtt::publish_header(*next.what, next.qos, next.retained, id);
    payload_ = std::move(next.what);
    return true;
}

std::uint16_t session::next_id() {
    do
        ++last_id_;
    while (last_id_ == 0 || in_flight_.contains(last_id_));
    return last_id_;
}

bool session::has_room_for(std::size_t bytes) { return queued_bytes_ + bytes <= broker_.options().queue_bytes_max; }

// One and a half times the keep alive (3.1.2.10).
void session::heard() {
    const auto next = keep_alive_.count() > 0 ? clock::now() + keep_alive_ * 3 / 2 : clock::time_point::max();
    // Who watches looks again when its time has come: it need be woken for an earlier one alone.
    if (next < std::exchange(deadline_, next))
        watch_.cancel();
}

void session::say(const std::string& what) const {
    std::clog << "iot_broker: " << evercert::quoted(common_name_) << " as " << evercert::quoted(client_id_) << " "
              << what << std::endl;
}

}  // namespace iot
