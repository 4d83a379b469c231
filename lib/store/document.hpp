#pragma once

#include <map>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

namespace evercert {

/// The whole state: store keys and their values, JSON objects. What a cache file holds and `marshal()` returns.
using state_items = std::map<std::string, boost::json::object, std::less<>>;

/// {"evercert": 1, "items": {KEY: VALUE, …}}, one item a line, so that people can compare two of them.
/// Texts and integers of 64 bits stay what they are, in items of later versions, too. A fraction may come back as its
/// neighbour, for Boost.JSON reads some so: who writes one rounds it, as `certificate_record::draw` is.
std::string write_document(const state_items&);

/// Throws `error`: `state_damaged` with the place and the reason, `state_version` if a later version wrote it. An
/// empty text is an empty state.
state_items read_document(std::string_view text);

/// False if there is a number that was too large to be read: it became infinite, and could not be read again once it was
/// written.
bool is_finite(const boost::json::value&);

/// The version that `write_document` writes: the highest that `read_document` takes.
inline constexpr int document_version = 1;

/// 10,000 certificates of 8 kB and room: past that a file that is written whole at each change is the wrong store.
inline constexpr std::size_t document_size_max = 128 << 20;

}  // namespace evercert
