/** @file The router laws for the capped rule. */

import { routerLaws } from "../routing/laws.ts";
import { CASES } from "../routing/routers.ts";

routerLaws(CASES.filter(({ router }) => router.name === "expert-choice-capped"));
