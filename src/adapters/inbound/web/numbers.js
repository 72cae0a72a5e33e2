// Numbers as they are shown.

const WHOLE = new Intl.NumberFormat("en");
const PERCENT = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 });
const RATE = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const MONEY = new Intl.NumberFormat("en", { style: "currency", currency: "USD" });
const SMALL_MONEY = new Intl.NumberFormat("en", { style: "currency", currency: "USD", maximumSignificantDigits: 3 });

export const NOTHING = "–";

export const whole = (number) => WHOLE.format(number);
export const percent = (share) => PERCENT.format(share);
export const rate = (number) => RATE.format(number);
export const money = (usd) => (Math.abs(usd) < 1 ? SMALL_MONEY : MONEY).format(usd);
