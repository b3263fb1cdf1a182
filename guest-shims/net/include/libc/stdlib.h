/* SPDX-License-Identifier: Apache-2.0 */
/* lwIP includes it; only code that no guest uses calls what is in here. */
#pragma once

int atoi(const char* text);
