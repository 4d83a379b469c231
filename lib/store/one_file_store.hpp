#pragma once

#include <memory>
#include <string>

#include <asio/any_io_executor.hpp>

#include <evercert/clock.hpp>
#include <evercert/disk.hpp>
#include <evercert/store.hpp>

#include "base/worker.hpp"
#include "store/document.hpp"

namespace evercert {

/// The store behind `cache_file()`: every value in one file, which is written whole at each change. Changes that
/// come while it is being written are written together. For one process, and up to some 1,000 certificates: what a save
/// costs is said at `manager::cache_file()`. `file_store()` is for more.
///
/// Thread-bound to `executor`, a strand.
class one_file_store : public store {
public:
    /// Reads the file at once; throws as `read_document` does, with the path in the text, and
    /// `errc::store_failed` if the file cannot be read or its folder not be written to.
    static std::shared_ptr<one_file_store> open(
        asio::any_io_executor executor, std::shared_ptr<worker>, std::shared_ptr<clock>, std::shared_ptr<disk>,
        std::string path);

    /// What the file holds, with what is not written yet.
    virtual state_items items() const = 0;
};

}  // namespace evercert
