#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <string>

#include <boost/json/object.hpp>

#include "testing/ca_records.hpp"

namespace evercert::testing {

/// Requests that a CA survives and no careful client sends.
class careless_requests {
public:
    static constexpr std::size_t latest_max = 20;

    /// Somebody asks for an order, which may say what it replaces.
    void new_order(const boost::json::object& payload);
    /// And is told that this is replaced already.
    void already_replaced(const boost::json::object& payload, moment now);
    /// Of the latest new order: nobody was told anything.
    void answer_lost() { told_.erase(latest_names_); }
    void finalized_again(const order_record&, moment now);

    int count() const { return count_; }
    const std::deque<std::string>& latest() const { return latest_; }

private:
    void note(moment now, const std::string& what);

    /// Names, as they were sent → what an order for them was told to be replaced already, until one without comes.
    std::map<std::string, std::string> told_;
    std::string latest_names_;
    int count_ = 0;
    std::deque<std::string> latest_;
};

}  // namespace evercert::testing
