// SPDX-License-Identifier: Apache-2.0
// libpq, looked for when first used.
#pragma once
