#pragma once

/// Everything an application that serves needs. What it leaves out: `<evercert/asio_ssl.hpp>` for streams of the
/// application's own, and `<evercert/testing/…>`.

#include <evercert/acme/client.hpp>
#include <evercert/certificate.hpp>
#include <evercert/certificate_source.hpp>
#include <evercert/error.hpp>
#include <evercert/file_store.hpp>
#include <evercert/http.hpp>
#include <evercert/identifier.hpp>
#include <evercert/log.hpp>
#include <evercert/manager.hpp>
#include <evercert/manager_options.hpp>
#include <evercert/mux.hpp>
#include <evercert/rethrow.hpp>
#include <evercert/static_files.hpp>
#include <evercert/store.hpp>
#include <evercert/watch.hpp>
