// For the type check: the types of the npm package of the same version.
export * from "lightweight-charts";
