// Whether a field has changed since the server made the page: while a script was still loading, or
// because the browser went back to a page and filled in what was typed there.

export function wasChanged(field) {
  if (["checkbox", "radio"].includes(field.type)) return field.checked !== field.defaultChecked;
  if (!field.options) return field.value !== field.defaultValue;
  const options = [...field.options];
  const isPreset = options.some(({ defaultSelected }) => defaultSelected);
  // Without a choice of the page's, a list that takes one choice shows its first.
  if (!isPreset && !field.multiple) return field.selectedIndex > 0;
  return options.some(({ selected, defaultSelected }) => selected !== defaultSelected);
}
