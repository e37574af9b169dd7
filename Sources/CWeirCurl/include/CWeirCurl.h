// SPDX-License-Identifier: Apache-2.0
// libcurl, looked for when first used.
#pragma once
