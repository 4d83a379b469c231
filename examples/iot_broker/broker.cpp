#include "broker.hpp"

#include <algorithm>
#include <iostream>

#include <evercert/error.hpp>

#include "session.hpp"

namespace iot {

bool may_publish(const broker_options& options, std::string_view common_name, std::string_view topic) {
    if (std::ranges::find(options.operators, common_name) != options.operators.end())
        return true;
    const auto own = "devices/" + std::string{common_name} + "/";
    return topic.size() > own.size() && topic.starts_with(own);
}

void broker::opened(const std::shared_ptr<session>& who) {
    sessions_.insert(who);
    if (stopped_)
        who->end("the broker stops");
}

void broker::closed(const std::shared_ptr<session>& who) { sessions_.erase(who); }

void broker::connected(session& who) {
    auto& place = clients_[{who.common_name(), who.client_id()}];
    if (session* const before = std::exchange(place, &who))
        before->end("another connection of the same client took its place");
}

void broker::left(session& who) {
    const auto found = clients_.find({who.common_name(), who.client_id()});
    if (found != clients_.end() && found->second == &who)
        clients_.erase(found);
}

void broker::publish(const message_ptr& what) {
    if (what->retain)
        retain(what);
    for (const auto& each : sessions_)
        if (const auto granted = each->granted(what->topic))
            each->deliver(what, std::min(*granted, what->qos), false);
}

void broker::retain(const message_ptr& what) {
    const auto cost = [](const message_ptr& of) { return of->topic.size() + of->payload.size() + message_cost; };
    if (const auto before = retained_.find(what->topic); before != retained_.end()) {
        retained_bytes_ -= cost(before->second);
        retained_.erase(before);
    }
    if (what->payload.empty())
        return;
    if (retained_.size() >= options_.retained_max || retained_bytes_ + cost(what) > options_.retained_bytes_max) {
        std::clog << "iot_broker: no room to retain " << evercert::quoted(what->topic) << std::endl;
        return;
    }
    retained_bytes_ += cost(what);
    retained_.emplace(what->topic, what);
}

void broker::send_retained(session& to, const mqtt::subscription& wanted) const {
    for (const auto& [topic, what] : retained_)
        if (mqtt::matches(wanted.filter, topic))
            to.deliver(what, std::min(wanted.qos, what->qos), true);
}

void broker::stop() {
    stopped_ = true;
    for (const auto& each : sessions_)
        each->end("the broker stops");
}

}  // namespace iot
