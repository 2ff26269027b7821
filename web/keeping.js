// The switch that says whether anything is kept for the next visit.

import { isOn } from "./shelf.js";
import { t } from "./text.js";
import { toast } from "./toast.js";

/** anew(): puts on the shelf what is on the page, after it was switched on again. */
export function keepingSwitch(shelf, anew) {
  const keeper = document.querySelector("#keep");
  keeper.checked = isOn();
  keeper.addEventListener("change", async () => {
    await shelf.turn(keeper.checked);
    if (keeper.checked) anew();
    else toast(t("history.off"));
  });
  shelf.addEventListener("full", () => toast(t("history.full")), { once: true });
}
