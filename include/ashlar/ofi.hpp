// SPDX-License-Identifier: Apache-2.0
// ofi: the fabric concept over libfabric (1.17 and later), between hosts or on one. `endpoint::open({.provider = ...})`
// is all there is to it; the headers below say how a provider is picked and what is promised to it. Host memory only:
// FI_HMEM, by which a network reaches accelerator memory itself, is left out on purpose until it can be run.
#pragma once

#include <ashlar/ofi/address.hpp>
#include <ashlar/ofi/backlog.hpp>
#include <ashlar/ofi/buffers.hpp>
#include <ashlar/ofi/endpoint.hpp>
#include <ashlar/ofi/handle.hpp>
#include <ashlar/ofi/inbox.hpp>
#include <ashlar/ofi/opened.hpp>
#include <ashlar/ofi/provider.hpp>
#include <ashlar/ofi/regions.hpp>
#include <ashlar/ofi/rest.hpp>
